"""Whether a version's data is in the DVC remote: real pushes to a folder, to HTTP and to S3."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry import lock, provenance, remote
from registry.provenance import Datum
from registry.remote import Held, Project, State
from slipway.answer import Answer
from tests.integration.registry.conftest import Store
from tests.integration.s3 import S3

pytestmark = pytest.mark.long  # seconds each

DVC = Path(sys.executable).with_name("dvc")
COMMIT = "c" * 40


def run(folder: Path, *words: str) -> None:
    settings = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=settings)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project with every kind of output and of data, reproduced and not pushed."""
    folder = tmp_path_factory.mktemp("made")
    run(folder, "git", "init", "-q")
    run(folder, DVC.as_posix(), "init", "-q")
    (folder / "raw").mkdir()
    (folder / "raw/kept.csv").write_text("tracked by DVC\n")
    (folder / "raw/code.txt").write_text("tracked by Git\n")
    (folder / "lookup").mkdir()
    (folder / "lookup/a.csv").write_text("a\n")
    (folder / "src.py").write_text("source\n")
    run(folder, DVC.as_posix(), "add", "-q", "raw/kept.csv", "lookup")
    stage = {
        "cmd": "mkdir -p parts/deep && echo 1 > parts/one && echo 2 > parts/deep/two && echo 3 > table "
        "&& echo 4 > metrics.json && echo 5 > scratch && echo 6 > elsewhere",
        "deps": ["raw", "lookup/a.csv", "src.py"],
        "outs": [
            "parts",
            "table",
            {"metrics.json": {"cache": False}},
            {"scratch": {"push": False}},
            {"elsewhere": {"remote": "second"}},
        ],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"make": stage}}))
    run(folder, DVC.as_posix(), "repro", "-q")
    run(folder, "git", "add", "-A")
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "project"
    shutil.copytree(made, copy, symlinks=True)
    run(copy, DVC.as_posix(), "remote", "add", "second", str(tmp_path / "second"))
    return copy


def behind(project: Path) -> tuple[Datum, ...]:
    return provenance.data(lock.load(project))


def asked(project: Path, url: str | None = None) -> Held:
    """Look for what belongs to the default remote."""
    data = tuple(one for one in behind(project) if one.remote is None)
    return remote.held(Project(project, project, url), data, {}, COMMIT)


def test_what_must_be_pushed_is_what_dvc_would_push(project: Path) -> None:
    data = behind(project)
    assert [one.path for one in data] == ["elsewhere", "lookup", "parts", "raw/kept.csv", "table"]
    assert {one.path for one in data if one.md5.endswith(".dir")} == {"parts", "lookup"}
    assert [one.remote for one in data] == ["second", None, None, None, None]
    assert data == tuple(Datum(**one.as_json()) for one in data)


def test_data_changed_since_dvc_add_has_the_digest_that_was_used(project: Path) -> None:
    locked = lock.load(project)
    changed = lock.Lock(project, "", {}, {"raw/kept.csv": "0" * 32}, {})
    assert provenance.data(changed) == (Datum("raw/kept.csv", "0" * 32),)
    assert locked.sources["raw"].endswith(".dir")


def test_without_a_remote_that_is_the_outcome_and_no_refusal(project: Path, tmp_path: Path) -> None:
    found = asked(project)
    assert (found.state, found.answer) == (State.NOT_CHECKED, None)
    assert "no default remote among second" in found.reason
    plain = tmp_path / "plain"
    plain.mkdir()
    found = remote.held(Project(plain, plain), None, {"data_md5": "0" * 32})
    assert found == remote.NOTHING


def test_the_remote_of_the_projects_own_folder_counts_as_none(project: Path) -> None:
    run(project, DVC.as_posix(), "remote", "add", "--default", "local", str(project / "var/dvc"))
    found = asked(project)
    assert found.answer is None
    assert "var/dvc of this folder" in found.reason
    assert "dvc remote add --default" in found.reason


@contextlib.contextmanager
def over_http(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(folder))

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_a_version_whose_data_was_never_pushed_is_named_file_by_file(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "shared"
    run(project, DVC.as_posix(), "remote", "add", "--default", "team", str(place))
    found = asked(project)
    assert (found.state, found.answer) == (State.MISSING, Answer(False, found.reason))
    assert "lookup (md5 " in found.reason
    assert "and 1 more" in found.reason
    assert "dvc push" in found.reason
    assert COMMIT[:12] in found.reason

    run(project, DVC.as_posix(), "push", "-q")
    assert asked(project).state is State.HELD
    with over_http(place) as url:
        assert asked(project, url).state is State.HELD
        two = place / "files/md5/26/ab0db90d72e28ad0ba1e22ee510510"  # parts/deep/two: its folder's list is still there
        two.unlink()
        over = asked(project, url)
    for found in (over, asked(project)):
        assert found.state is State.MISSING
        assert "parts/deep/two (md5 26ab0db90d72e28ad0ba1e22ee510510)" in found.reason


def test_what_belongs_to_another_remote_is_looked_for_there(project: Path, tmp_path: Path) -> None:
    run(project, DVC.as_posix(), "remote", "add", "--default", "team", str(tmp_path / "shared"))
    run(project, DVC.as_posix(), "push", "-q")
    shutil.rmtree(tmp_path / "second")
    assert asked(project).state is State.HELD
    found = remote.held(Project(project, project), behind(project), {}, COMMIT)
    assert found.state is State.MISSING
    assert "the DVC remote second" in found.reason
    assert "elsewhere" in found.reason


@contextlib.contextmanager
def failing(status: int) -> Iterator[str]:
    class Failing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status)

        def do_HEAD(self) -> None:
            self.send_error(status)

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://me:secret@127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("status", [401, 403, pytest.param(500, marks=pytest.mark.long)])
def test_a_remote_that_gives_no_answer_is_not_one_that_lacks_the_data(project: Path, status: int) -> None:
    with failing(status) as url:
        found = remote.held(Project(project, project, url), behind(project)[1:2], {})
    assert (found.state, found.answer) == (State.UNANSWERED, Answer(None, found.reason))
    assert "secret" not in found.reason


def test_a_version_that_lists_no_data_goes_by_its_tags(project: Path, tmp_path: Path) -> None:
    run(project, DVC.as_posix(), "remote", "add", "--default", "team", str(tmp_path / "shared"))
    run(project, DVC.as_posix(), "push", "-q")
    table = lock.load(project).outputs["table"]
    place = Project(project, project)
    assert remote.held(place, None, {"data_md5": table}).state is State.HELD
    found = remote.held(place, None, {"data_md5": table, "test_data_md5": "0" * 32})
    assert found.state is State.MISSING
    assert "data/prepared/test.parquet" in found.reason


# s3fs leaves its session to the collector, which says so when it happens to come by here.
@pytest.mark.filterwarnings(
    "ignore:Unclosed:ResourceWarning", "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)
def test_a_bucket_is_asked_by_dvcs_own_settings(
    project: Path, s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    run(project, DVC.as_posix(), "remote", "add", "--default", "team", f"s3://{s3.bucket}/{tmp_path.name}")
    run(project, DVC.as_posix(), "remote", "modify", "--local", "team", "endpointurl", s3.endpoint)
    assert asked(project).state is State.MISSING
    run(project, DVC.as_posix(), "push", "-q")
    assert asked(project).state is State.HELD
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    found = asked(project)
    assert found.state is State.UNANSWERED
    assert "wrong" not in found.reason


def test_a_registration_lists_the_data_in_what_it_signs(root: Path, store: Store) -> None:
    from registry.signing import Trust
    from registry.statement import read
    from release.settings import read as settings

    run(root, DVC.as_posix(), "init", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "-c", "user.name=A", "-c", "user.email=a@x", "commit", "-q", "-m", "Begin with DVC")
    version = store.register(root).version
    data = read(store.open(), version, Trust()).data
    assert data is not None
    assert {"data/prepared/train.parquet", "model/model.onnx"} <= {one.path for one in data}
    assert not [one for one in data if one.path.endswith("metrics.json")]  # in Git
    project = settings({"SLIPWAY_ACTOR": "Ada <ada@example.org>"}, root, root).project
    assert remote.held(project, data, version.tags).answer is None
    json.dumps([one.as_json() for one in data])

"""The project's folder is moved or copied: its embedded registry goes along."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from registry.export import export
from registry.options import open_tracking
from registry.register import register
from registry.stored import whole
from registry.tracking import Tracking
from slipway import embedded_store
from tests.fixtures.servers import free_port, wait_until
from tests.integration.registry import project

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("SLIPWAY_ARTIFACT_ROOT", raising=False)


def opened(root: Path) -> Tracking:
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to what was opened before
    return open_tracking(root)


def registered(root: Path, subject: str) -> int:
    project.git(root, "commit", "-q", "--allow-empty", "-m", subject)
    artifacts = (root / "var/mlflow/artifacts").as_uri()
    done = register(root, lambda: opened(root), artifacts, False, lambda _: None, None)
    return int(done.version.number)


def test_a_moved_registry_gives_out_and_takes_in_versions_at_its_new_place(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere/project"
    assert registered(root, "One") == 1
    new.parent.mkdir()
    root.rename(new)
    export(opened(new), "tiny", "1", tmp_path / "exported")
    assert (tmp_path / "exported/model.onnx").read_bytes() == (new / "model/model.onnx").read_bytes()
    assert registered(new, "Two") == 2
    tracking = opened(new)
    assert [whole(tracking, version).passed for version in tracking.versions("tiny")] == [True, True]
    assert not root.exists(), "something was written where the project was"
    assert str(root) not in _text(new)


def test_a_copied_registry_and_its_origin_go_on_apart(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    registered(root, "One")
    shutil.copytree(root, copy, symlinks=True)
    before = _files(root)
    assert registered(copy, "Two of the copy") == 2
    assert _files(root) == before, "the copy wrote into its origin"
    assert registered(root, "Two of the origin") == 2
    shutil.rmtree(root)
    tracking = opened(copy)
    assert [whole(tracking, version).passed for version in tracking.versions("tiny")] == [True, True]


def test_the_command_line_says_what_it_rewrote(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    registered(root, "One")
    root.rename(new)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    for said in (f"the registry moved here from {root}: ", ""):
        words = [sys.executable, "-m", "slipway", "versions", "tiny", "-C", str(new)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr.startswith(said)
        assert bool(said) == ("moved" in done.stderr)


def test_what_was_registered_before_the_move_is_served_and_scores_after_it(root: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    registered(root, "One")
    root.rename(new)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"SLIPWAY_JOURNAL": "off"}
    command, rows = [sys.executable, "-m", "slipway"], new / "data/prepared/test.parquet"
    words = [*command, "score", str(rows), "scores.parquet", "--model", "tiny@1", "--workers", "1"]
    subprocess.run(words, cwd=new, env=environment, capture_output=True, check=True)
    assert pq.read_table(new / "scores.parquet").num_rows == pq.read_table(rows).num_rows
    port = free_port()
    with (new / "log").open("wb") as log:
        words = [*command, "serve", "tiny@challenger", "--port", str(port), "--no-auth"]
        server = subprocess.Popen(words, cwd=new, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: version_at(port) == "1", 30, "version 1 at the new place")
    finally:
        server.terminate()
        server.wait(30)
    assert not root.exists(), "something was written where the project was"


def version_at(port: int) -> str | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=2) as answer:
            return str(json.loads(answer.read())["model"]["version"])
    except OSError:
        return None


def test_every_path_that_mlflow_keeps_is_known(root: Path) -> None:
    registered(root, "One")
    with contextlib.closing(sqlite3.connect(root / "var/mlflow/mlflow.db")) as store:
        tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            (table, column)
            for table in tables
            for column in [row[1] for row in store.execute(f'PRAGMA table_info("{table}")')]
            if store.execute(f'SELECT 1 FROM "{table}" WHERE "{column}" LIKE ?', (f"%{root}%",)).fetchone()  # noqa: S608
        }
    known = {column[:2] for column in embedded_store.COLUMNS} | {(embedded_store.NOTE, "place")}
    assert ("model_versions", "storage_location") in found
    assert found <= known


def _text(root: Path) -> str:
    kept = [path for path in root.rglob("*") if path.is_file()]
    return "".join(path.read_bytes().decode(errors="replace") for path in kept)


def _files(root: Path) -> set[Path]:
    return {path for path in (root / "var/mlflow/artifacts").rglob("*") if path.is_file()}

"""The project's folder is moved or copied: its embedded registry goes along."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from registry.export import export
from registry.options import open_tracking
from registry.register import register
from registry.stored import whole
from registry.tracking import Tracking
from slipway import embedded_store
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
    assert [whole(tracking, version)[0] for version in tracking.versions("tiny")] == [True, True]
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
    assert [whole(tracking, version)[0] for version in tracking.versions("tiny")] == [True, True]


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

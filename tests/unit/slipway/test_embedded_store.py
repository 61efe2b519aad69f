"""A store of the shape that MLflow gives it, moved, copied and broken off."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from slipway.embedded_store import DATABASE, settle
from slipway.errors import Unavailable

RUN, MODEL = "44fd84180a154098a6883d600164faa2", "m-70db0db57fe044c19b8e2e36aac725a2"
SCHEMA = """
CREATE TABLE experiments (artifact_location TEXT);
CREATE TABLE runs (artifact_uri TEXT);
CREATE TABLE logged_models (artifact_location TEXT);
CREATE TABLE model_versions (source TEXT, storage_location TEXT);
CREATE TABLE trace_tags (key TEXT, value TEXT);
"""
Project = Callable[[str], Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    def make(name: str) -> Path:
        top = tmp_path / name
        (top / "var/mlflow").mkdir(parents=True)
        with _open(top) as store:
            store.executescript(SCHEMA)
        return top

    return make


def register(top: Path) -> None:
    """Do what registering does: rows with absolute paths, and the files that they name."""
    root = (top / "var/mlflow/artifacts/tiny").as_uri()
    rows = {
        "experiments": (root,), "runs": (f"{root}/{RUN}/artifacts",),
        "logged_models": (f"{root}/models/{MODEL}/artifacts",),
        "model_versions": (f"models:/{MODEL}", f"{root}/models/{MODEL}/artifacts"),
        "trace_tags": ("mlflow.artifactLocation", f"{root}/traces/1/artifacts"),
    }  # fmt: skip
    with _open(top) as store:
        for table, values in rows.items():
            store.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
        store.execute("INSERT INTO experiments VALUES (?)", (str(top / "mlruns/0"),))
    for folder in (f"{RUN}/artifacts", f"models/{MODEL}/artifacts"):
        (top / "var/mlflow/artifacts/tiny" / folder).mkdir(parents=True)


def paths(top: Path) -> list[str]:
    with _open(top) as store:
        tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for name in tables for row in store.execute(f"SELECT * FROM {name}") for cell in row]  # noqa: S608
    return [cell for cell in cells if "/" in cell and not cell.startswith("models:")]


def _open(top: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(top / DATABASE, isolation_level=None))


def test_a_moved_store_names_only_its_new_place(project: Project, tmp_path: Path) -> None:
    old, new = project("a b%20ü"), tmp_path / "there/now"
    register(old)
    new.parent.mkdir()
    old.rename(new)
    moved = settle(new)
    assert moved is not None
    assert (moved.places, moved.rewritten, moved.left) == ((old,), 6, 0)
    assert str(old) in str(moved)
    assert [cell for cell in paths(new) if not cell.startswith((new.as_uri(), str(new)))] == []
    assert settle(new) is None


def test_what_is_not_ours_stays(project: Project, tmp_path: Path) -> None:
    old, new = project("old"), tmp_path / "new"
    register(old)
    strange = [
        "s3://bucket/var/mlflow/artifacts/tiny",
        "mlflow-artifacts:/1",
        f"{tmp_path.as_uri()}/other/var/mlflow/artifacts/x",
        f"{old.as_uri()}-2/var/mlflow/artifacts/tiny",
        f"{old.as_uri()}/elsewhere/artifacts",
        "file://host/var/mlflow/artifacts/x",
        f"{old.as_uri()}/var/mlflow/../../../x",
    ]
    with _open(old) as store:
        store.executemany("INSERT INTO experiments VALUES (?)", [(one,) for one in strange])
        store.execute("INSERT INTO trace_tags VALUES ('note', ?)", (f"{old.as_uri()}/var/mlflow/artifacts/tiny",))
    old.rename(new)
    settle(new)
    left = [cell for cell in paths(new) if not cell.startswith((new.as_uri(), str(new)))]
    assert sorted(left) == sorted([*strange, f"{old.as_uri()}/var/mlflow/artifacts/tiny"])


def test_another_clones_folder_of_the_same_name_proves_nothing(project: Project, tmp_path: Path) -> None:
    top, other = project("top"), (tmp_path / "other/var/mlflow/artifacts/tiny").as_uri()
    with _open(top) as store:
        store.execute("INSERT INTO experiments VALUES (?)", (other,))
        store.execute("INSERT INTO runs VALUES (?)", (f"{other}/{RUN}/artifacts",))
    (top / "var/mlflow/artifacts/tiny").mkdir(parents=True)
    assert settle(top) is None
    assert other in paths(top)


def test_a_copy_and_its_origin_each_keep_to_their_own_files(project: Project, tmp_path: Path) -> None:
    old, new = project("old"), tmp_path / "new"
    register(old)
    shutil.copytree(old, new)
    settle(new)
    settle(old)
    for top, other in ((old, new), (new, old)):
        assert not [cell for cell in paths(top) if cell.startswith((other.as_uri(), str(other)))]


@pytest.mark.parametrize("noted", [True, False])
def test_there_and_back_again(project: Project, tmp_path: Path, noted: bool) -> None:
    old, new = project("old"), tmp_path / "new"
    register(old)
    if noted:
        settle(old)
    before = paths(old)
    for source, target in ((old, new), (new, old)):
        source.rename(target)
        settle(target)
    assert [cell for cell in paths(old) if cell != str(old)] == [cell for cell in before if cell != str(old)]


def test_a_store_without_any_run_moves_too(project: Project, tmp_path: Path) -> None:
    old, new = project("old"), tmp_path / "new"
    settle(old)
    with _open(old) as store:
        store.execute("INSERT INTO experiments VALUES (?)", ((old / "var/mlflow/artifacts/tiny").as_uri(),))
    old.rename(new)
    settle(new)
    assert (new / "var/mlflow/artifacts/tiny").as_uri() in paths(new)


def test_what_is_broken_off_has_changed_nothing_and_is_done_the_next_time(project: Project, tmp_path: Path) -> None:
    old, new = project("old"), tmp_path / "new"
    register(old)
    settle(old)
    before = paths(old)
    old.rename(new)
    with _open(new) as store:
        store.execute("CREATE TRIGGER full BEFORE UPDATE ON model_versions BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(Unavailable, match="disk full"):
        settle(new)
    assert paths(new) == before
    with _open(new) as store:
        store.execute("DROP TRIGGER full")
    assert settle(new) is not None
    assert not [cell for cell in paths(new) if str(old) in cell]


def test_a_database_copied_without_its_files_goes_on_reading_them_and_says_so(project: Project, tmp_path: Path) -> None:
    old, new = project("old"), project("new")
    register(old)
    settle(old)
    shutil.copy(old / DATABASE, new / DATABASE)
    for _ in range(2):  # said at each start
        moved = settle(new)
        assert moved is not None
        assert moved.left == 3
        assert "copy its var/mlflow/artifacts" in str(moved)
    assert f"{old.as_uri()}/var/mlflow/artifacts/tiny/{RUN}/artifacts" in paths(new)
    assert f"{new.as_uri()}/var/mlflow/artifacts/tiny" in paths(new), "new runs would be written into the other clone"
    shutil.copytree(old / "var/mlflow/artifacts", new / "var/mlflow/artifacts")
    settle(new)
    assert not [cell for cell in paths(new) if cell.startswith(old.as_uri())]
    assert settle(new) is None


def test_no_database_is_nothing_to_do(tmp_path: Path) -> None:
    assert settle(tmp_path) is None
    assert not (tmp_path / "var").exists()


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "var/mlflow").mkdir(parents=True)
    (tmp_path / DATABASE).write_text("not a database, and long enough to look like one" * 20)
    with pytest.raises(Unavailable, match="cannot be opened"):
        settle(tmp_path)

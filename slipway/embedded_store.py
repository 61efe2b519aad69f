"""The embedded MLflow store moves with its folder: what it keeps of its former place is rewritten when it is opened.

MLflow writes absolute paths. Owns the folders below the project that the embedded store keeps files in, and the note
in its database that records where they were. Refuses to touch any other path: another clone's, a bucket, another disk.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import Unavailable
from slipway.stored_path import Stored, ours, stored
from slipway.tracking_uri import STORE

DATABASE = STORE / "mlflow.db"
NOTE = "slipway_places"
BUSY_SECONDS = 30.0
# Table, column, which rows. Only an experiment decides where new files go.
EXPERIMENTS = ("experiments", "artifact_location", "1")
COLUMNS = (
    EXPERIMENTS,
    ("runs", "artifact_uri", "1"),
    ("logged_models", "artifact_location", "1"),
    ("model_versions", "source", "1"),
    ("model_versions", "storage_location", "1"),
    ("trace_tags", "value", "key = 'mlflow.artifactLocation'"),
)


@dataclass(frozen=True)
class Moved:
    """Where the store was, how many paths were rewritten, and how many were left: their files are only there."""

    places: tuple[Path, ...]
    rewritten: int
    left: int

    def __str__(self) -> str:
        places = ", ".join(map(str, self.places))
        left = f"; {self.left} left, whose files are only there: copy its var/mlflow/artifacts" if self.left else ""
        return f"the registry moved here from {places}: {self.rewritten} paths rewritten{left}"


def settle(top: Path) -> Moved | None:
    """Rewrite what the store of the project `top` keeps of a former place; None where there was nothing to do.

    One transaction: a killed process has rewritten everything or nothing.

    Raises:
        Unavailable: the database cannot be read or written.
    """
    here, database = top.resolve(), top / DATABASE
    if not database.is_file() or not database.stat().st_size:
        return None
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)) as store:
            noted = _noted(store)
            # One that cannot be written and has no note is only read, and was where it is.
            if noted == {here} or (not noted and not os.access(database, os.W_OK)):
                return None
            with _transaction(store):
                moved = _rewrite(store, here)
    except sqlite3.Error as error:
        raise Unavailable(
            f"the embedded store {database} cannot be opened",
            expected="a database of MLflow's that can be written",
            found=f"{type(error).__name__}: {error}",
            hint="end what else has it open (make mlflow), then run the same command again",
        ) from error
    return moved if moved.rewritten or moved.left else None


def settle_aloud(top: Path) -> None:
    """Do as `settle` does, and print what was rewritten to standard error.

    Raises:
        Unavailable: the database cannot be read or written.
    """
    if moved := settle(top):
        print(moved, file=sys.stderr)


def _rewrite(store: sqlite3.Connection, here: Path) -> Moved:
    found = list(_paths(store))
    former = _noted(store) - {here} or _proven(here, [path for *_, path in found])
    rewritten = left = 0
    places: set[Path] = set()
    for (table, column, where), row, path in found:
        old = next((old for old in former if ours(path.path, old)), None)
        if old is None:
            continue
        places.add(old)
        moved = here / path.path.relative_to(old)
        if (table, column, where) != EXPERIMENTS and path.path.exists() and not moved.exists():
            left += 1
            continue
        store.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (path.at(moved), row))  # noqa: S608
        rewritten += 1
    store.execute(f"CREATE TABLE IF NOT EXISTS {NOTE} (place TEXT NOT NULL)")
    store.execute(f"DELETE FROM {NOTE}")  # noqa: S608
    noted = {here} | (former if left else set())
    store.executemany(f"INSERT INTO {NOTE} VALUES (?)", [(str(place),) for place in sorted(noted)])  # noqa: S608
    return Moved(tuple(sorted(places)), rewritten, left)


def _paths(store: sqlite3.Connection) -> Iterator[tuple[tuple[str, str, str], int, Stored]]:
    for table, column, where in COLUMNS:
        if _has(store, table, column):
            rows = store.execute(f"SELECT rowid, {column} FROM {table} WHERE {where}").fetchall()  # noqa: S608
            for row, text in rows:
                if path := stored(text):
                    yield (table, column, where), row, path


def _proven(here: Path, paths: list[Stored]) -> set[Path]:
    """Return where a store without a note was: only a place whose runs and models lie here, by their ids."""
    return {
        old
        for path in paths
        for old in path.projects()
        if old != here and path.has_an_id(old) and (here / path.path.relative_to(old)).exists()
    }


@contextlib.contextmanager
def _transaction(store: sqlite3.Connection) -> Iterator[None]:
    store.execute("BEGIN IMMEDIATE")
    try:
        yield
        store.execute("COMMIT")
    finally:
        if store.in_transaction:
            store.execute("ROLLBACK")


def _noted(store: sqlite3.Connection) -> set[Path]:
    if not _has(store, NOTE, "place"):
        return set()
    return {Path(row[0]) for row in store.execute(f"SELECT place FROM {NOTE}")}  # noqa: S608


def _has(store: sqlite3.Connection, table: str, column: str) -> bool:
    return column in [row[1] for row in store.execute(f"PRAGMA table_info({table})")]


if __name__ == "__main__":
    settle_aloud(Path())

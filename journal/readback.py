"""Reads back what spools set aside: lists it, and tries each row once more against PostgreSQL."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from journal import aside
from journal.postgres import TimedConnection
from journal.shipping import Shipping
from slipway.errors import BadInput, Unavailable


@dataclass(frozen=True)
class Kept:
    """A file of rows that were set aside, or a damaged segment; `ids` of its readable rows, at most ten."""

    path: str
    bytes: int
    rows: int
    damaged: int
    ids: list[str]


@dataclass(frozen=True)
class Replayed:
    """What became of a file's rows: taken, or refused again; `stays` is whether the file is still there."""

    path: str
    taken: int
    refused: int
    stays: bool


class _One:
    """One connection, a transaction at a time."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        with self._connection.transaction():
            yield self._connection


def listed(spool: Path) -> list[Kept]:
    """List what the spool, and each server's folder below it, keeps aside.

    Raises:
        BadInput: there is no such folder.
        Unavailable: it cannot be read.
    """
    found = []
    for path in _files(spool):
        with _readable(path):
            frames = aside.rows(path)
            rows = list(frames)
            found.append(Kept(str(path), path.stat().st_size, len(rows), frames.damaged, [_id(r) for r in rows[:10]]))
    return found


def replay(spool: Path, url: str) -> list[Replayed]:
    """Try every row again; what PostgreSQL takes leaves its file, a damaged segment stays.

    Raises:
        BadInput: there is no such folder.
        Unavailable: the folder or PostgreSQL does not do it; run again, nothing is stored twice.
    """
    files = _files(spool)
    try:
        with TimedConnection.connect(url, connect_timeout=5, autocommit=True) as connection:
            shipping = Shipping(_One(connection))
            return [_replayed(path, shipping) for path in files]
    except psycopg.Error as error:
        raise Unavailable(
            "the journal's database takes no rows", expected="a PostgreSQL with the journal's tables",
            found=str(error).strip().splitlines()[0], hint="check SLIPWAY_DATABASE_URL, then slipway journal migrate",
        ) from error  # fmt: skip


def _replayed(path: Path, shipping: Shipping) -> Replayed:
    with _readable(path):
        taken, refused = aside.read_back(path, lambda row: not shipping.ship([row]))
    return Replayed(str(path), taken, refused, path.exists())


def _files(spool: Path) -> list[Path]:
    if not spool.is_dir():
        raise BadInput(f"`{spool}` is not a folder", expected="the folder of SLIPWAY_SPOOL", hint="set --spool FOLDER")
    with _readable(spool):
        folders = [spool, *sorted(path for path in spool.iterdir() if path.is_dir() and not path.is_symlink())]
    found: list[Path] = []
    for folder in folders:
        with contextlib.suppress(PermissionError):  # lost+found
            found += aside.kept(folder)
    return found


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"`{path}` cannot be read or written", expected="a file of the spool", found=str(error.strerror),
            hint="run this as the user of the server",
        ) from error  # fmt: skip


def _id(row: bytes) -> str:
    try:
        content: Any = json.loads(row)
        return str(content["id"])[:64]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "?"

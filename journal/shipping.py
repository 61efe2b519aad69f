"""One batch of journal rows into PostgreSQL: each row once, none blocking another.

A batch is one transaction: COPY to a temporary table, then an insert that
passes over ids which are there with the same rows. A row that PostgreSQL
refuses is repaired if it can be, else handed back.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol

import psycopg

from journal import queries
from journal.record import repaired

ANSWER_SECONDS = 75.0  # past the server's own statement_timeout of 60 s
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
_TUPLE = struct.Struct(">hiB")
# SQLSTATE classes of what is wrong with a row and not with the server:
# data exception, integrity violation, a limit of PostgreSQL itself (a string or nesting too long for jsonb).
ROW_FAULTS = ("22", "23", "54")


class Connections(Protocol):
    """What gives a connection for one transaction: a pool does."""

    def connection(self) -> AbstractContextManager[psycopg.Connection]:
        """Give a connection; its transaction ends with the block."""


class Shipping:
    """Stores batches; counts what was stored, and ids that came again with other rows."""

    def __init__(self, connections: Connections) -> None:
        self.written = 0
        self.reused = 0
        self._connections = connections
        self._months: set[date] = set()

    def ship(self, rows: Sequence[bytes]) -> list[tuple[bytes, psycopg.Error]]:
        """Store rows; return those that PostgreSQL cannot hold, each with the reason.

        Raises:
            psycopg.Error: PostgreSQL takes nothing now.
        """
        try:
            self._insert(rows)
        except psycopg.Error as error:
            if (error.sqlstate or "")[:2] not in ROW_FAULTS:
                raise
            self._months.clear()  # a month may have been pruned meanwhile
            if len(rows) == 1:
                return self._repair(rows[0], error)
            middle = len(rows) // 2
            return self.ship(rows[:middle]) + self.ship(rows[middle:])
        return []

    def _repair(self, row: bytes, error: psycopg.Error) -> list[tuple[bytes, psycopg.Error]]:
        other = repaired(row)
        if other is None or other == row:
            return [(row, error)]
        try:
            self._insert([other])
        except psycopg.Error as again:
            if (again.sqlstate or "")[:2] not in ROW_FAULTS:
                raise
            return [(row, again)]
        return []

    def _insert(self, rows: Sequence[bytes]) -> None:
        with self._connections.connection() as connection, connection.cursor() as cursor:
            usual = getattr(connection, "answer_seconds", ANSWER_SECONDS)
            connection.answer_seconds = ANSWER_SECONDS  # type: ignore[attr-defined]
            try:
                queries.stage(cursor, copied(rows))
                self._ensure_partitions(cursor)
                stored, reused = queries.store(cursor)
            finally:
                connection.answer_seconds = usual  # type: ignore[attr-defined]
        self.written += stored
        self.reused += reused

    def _ensure_partitions(self, cursor: psycopg.Cursor) -> None:
        months = queries.staged_months(cursor)
        for month in sorted(months - self._months):
            queries.ensure_partition(cursor, month)
        self._months |= months


def copied(rows: Sequence[bytes]) -> bytes:
    """Frame rows for a binary COPY of one jsonb column.

    Source: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format; jsonb is a version (1) and text.
    """
    parts = [COPY_HEADER]
    for row in rows:
        parts.append(_TUPLE.pack(1, len(row) + 1, 1))
        parts.append(row)
    parts.append(COPY_TRAILER)
    return b"".join(parts)

"""Ships the spool to PostgreSQL in batches, each row exactly once by subject and request id.

Runs in a thread of its own, so no request waits on a database. A batch is one
transaction: COPY to a temporary table, then an insert that passes over ids
which are there. What is shipped twice after a crash is stored once. A row that
PostgreSQL cannot store is set aside in a file, counted, and never blocks others.
"""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

import psycopg
from psycopg_pool import ConnectionPool

from serving.breaker import Breaker
from serving.journal import statements
from serving.journal.spool import HEAD, Spool, rows_in

logger = logging.getLogger(__name__)

BATCH_ROWS = 2000
BATCH_BYTES = 4 << 20
IDLE_SECONDS = 0.25
LONGEST_PAUSE = 5.0
ORPHAN_SECONDS = 10.0
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"
_TUPLE = struct.Struct(">hiB")


class Writer:
    """The thread between the spool and PostgreSQL."""

    def __init__(
        self,
        spool: Spool,
        pool: ConnectionPool,
        breaker: Breaker,
        orphans: Callable[[], Iterator[Path]] | None = None,
    ) -> None:
        self.written = 0
        self.failures = 0
        self.set_aside = 0
        self.breaker = breaker
        self._spool = spool
        self._pool = pool
        self._orphans = orphans
        self._orphans_due = time.monotonic()
        self._months: set[date] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ship what can be shipped within `seconds`, then stop; the rest waits in the spool."""
        self._stopping.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = IDLE_SECONDS
        while True:
            try:
                self._ship_oldest()
                self._ship_orphans()
                pause = IDLE_SECONDS
            except (psycopg.Error, OSError) as error:
                self.failures += 1
                self.breaker.failed()
                logger.error("the journal cannot be written: %s", _first_line(error))  # noqa: TRY400
                pause = min(pause * 2, LONGEST_PAUSE)
                if self._stopping.is_set():
                    return
            # A few rows are not worth a transaction: unless a batch waits, more may gather for a moment.
            if pause == IDLE_SECONDS and self._spool.records >= BATCH_ROWS:
                continue
            if (self._stopping.is_set() or self._stopping.wait(pause)) and not self._spool.records:
                return

    def _ship_oldest(self) -> None:
        path = self._spool.oldest()
        if path is None:
            self._probe()
            return
        for batch in _batches(path):
            self._ship(batch)
        self._spool.forget(path)

    def _ship_orphans(self) -> None:
        if self._orphans is None or self._stopping.is_set() or time.monotonic() < self._orphans_due:
            return
        for path in self._orphans():
            for batch in _batches(path):
                self._ship(batch)
            path.unlink()
        self._orphans_due = time.monotonic() + ORPHAN_SECONDS

    def _probe(self) -> None:
        """Close the breaker when PostgreSQL answers again though no row waits."""
        if not self.breaker.closed:
            with self._pool.connection() as connection:
                connection.execute("SELECT 1")
            self.breaker.succeeded()

    def _ship(self, rows: Sequence[bytes]) -> None:
        try:
            self.written += self._insert(rows)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            self._months.clear()  # a month may have been pruned meanwhile
            if len(rows) > 1:
                middle = len(rows) // 2
                self._ship(rows[:middle])
                self._ship(rows[middle:])
            else:
                self._set_aside(rows[0], error)
        self.breaker.succeeded()

    def _insert(self, rows: Sequence[bytes]) -> int:
        with self._pool.connection() as connection, connection.cursor() as cursor:
            cursor.execute(statements.STAGING)
            with cursor.copy(statements.COPY) as copy:
                copy.write(_copy_bytes(rows))
            self._ensure_partitions(cursor)
            return cursor.execute(statements.INSERT).rowcount

    def _ensure_partitions(self, cursor: psycopg.Cursor) -> None:
        months = {month for (month,) in cursor.execute(statements.MONTHS).fetchall()}
        for month in sorted(months - self._months):
            cursor.execute("SELECT slipway_ensure_partition(%s)", (month,))
        self._months |= months

    def _set_aside(self, row: bytes, error: psycopg.Error) -> None:
        self.set_aside += 1
        logger.error("a journal row is set aside: %s", _first_line(error))
        with self._spool.aside.open("ab") as file:
            file.write(HEAD.pack(len(row), 0) + row)


def connect(url: str, most: int, configure: Callable[[psycopg.Connection], None] | None = None) -> ConnectionPool:
    """Make a pool that opens connections when they are needed, with limits on every wait."""
    return ConnectionPool(
        url,
        min_size=0,
        max_size=most,
        open=True,
        timeout=2.0,
        max_idle=300.0,
        reconnect_timeout=1.0,
        configure=configure,
        check=ConnectionPool.check_connection,
        kwargs={
            "connect_timeout": 2,
            "application_name": "slipway-serving",
            "options": "-c statement_timeout=60000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
        },
    )


def _batches(path: Path) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for row in rows_in(path):
        batch.append(row)
        size += len(row)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _copy_bytes(rows: Sequence[bytes]) -> bytes:
    """Frame rows for a binary COPY of one jsonb column.

    Source: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format; jsonb is a version (1) and text.
    """
    parts = [COPY_HEADER]
    for row in rows:
        parts.append(_TUPLE.pack(1, len(row) + 1, 1))
        parts.append(row)
    parts.append(COPY_TRAILER)
    return b"".join(parts)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"

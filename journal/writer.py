"""Ships the spool to PostgreSQL in batches, each row exactly once by subject, request id and rows.

Runs in a thread of its own, so no request waits on a database. What is shipped
twice after a crash is stored once. A row that PostgreSQL cannot store is set
aside in a file, counted, and never blocks others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import psycopg
from psycopg_pool import ConnectionPool

from journal import frames
from journal.postgres import connect
from journal.shipping import Shipping
from journal.spool import Spool
from slipway.breaker import Breaker
from slipway.threads import Recurring

__all__ = ["Writer", "connect"]

logger = logging.getLogger(__name__)

BATCH_ROWS = 2000
BATCH_BYTES = 4 << 20
IDLE_SECONDS = 0.25
LONGEST_PAUSE = 5.0
ORPHAN_SECONDS = 10.0


class Writer:
    """The thread between the spool and PostgreSQL."""

    def __init__(
        self,
        spool: Spool,
        pool: ConnectionPool,
        breaker: Breaker,
        orphans: Callable[[], Iterator[Path]] | None = None,
    ) -> None:
        self.failures = 0
        self.set_aside = 0
        self.breaker = breaker
        self._spool = spool
        self._pool = pool
        self._shipping = Shipping(pool)
        self._orphans = orphans
        self._orphans_due = time.monotonic()
        self._pause = 0.0
        self._thread = Recurring("journal-writer", self._step, 0.0)

    @property
    def written(self) -> int:
        """Rows stored."""
        return self._shipping.written

    @property
    def reused(self) -> int:
        """Rows stored under an id that had other rows already."""
        return self._shipping.reused

    @property
    def trouble(self) -> str | None:
        """Why rows cannot be shipped, where that is not a failure of PostgreSQL or of a file."""
        return self._thread.trouble

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ship what can be shipped within `seconds`, then stop; the rest waits in the spool."""
        ends = time.monotonic() + seconds
        while self._spool.records and not self._pause and time.monotonic() < ends:
            time.sleep(0.02)
        self._thread.stop(max(0.0, ends - time.monotonic()))

    def _step(self) -> float:
        try:
            self._ship_oldest()
            self._ship_orphans()
        except psycopg.Error as error:
            self.failures += 1
            self.breaker.failed()
            logger.error("the journal cannot be written: %s", _first_line(error))  # noqa: TRY400
            return self._paused()
        except OSError as error:
            self._spool.failed("read", error)
            return self._paused()
        self._pause = 0.0
        # A few rows are not worth a transaction: unless a batch waits, more may gather for a moment.
        return 0.0 if self._spool.records >= BATCH_ROWS else IDLE_SECONDS

    def _paused(self) -> float:
        self._pause = min(max(self._pause * 2, IDLE_SECONDS * 2), LONGEST_PAUSE)
        return self._pause

    def _ship_oldest(self) -> None:
        path = self._spool.oldest()
        if path is None:
            self._probe()
        else:
            self._spool.forget(path, self._ship_segment(path))

    def _ship_orphans(self) -> None:
        if self._orphans is None or self._thread.stopping.is_set() or time.monotonic() < self._orphans_due:
            return
        for path in self._orphans():
            self._spool.put_away(path, f"{path.parent.name}-{path.stem}", self._ship_segment(path))
        self._orphans_due = time.monotonic() + ORPHAN_SECONDS

    def _ship_segment(self, path: Path) -> int:
        """Ship a segment's rows; return how many places of it were damaged."""
        found = frames.read(path)
        rows = 0
        for batch in _batches(found):
            rows += len(batch)
            self._ship(batch)
        nothing = not rows and path.stat().st_size > 0
        return max(found.damaged, int(nothing))

    def _probe(self) -> None:
        """Close the breaker when PostgreSQL answers again though no row waits."""
        if not self.breaker.closed:
            with self._pool.connection() as connection:
                connection.execute("SELECT 1")
            self.breaker.succeeded()

    def _ship(self, rows: Sequence[bytes]) -> None:
        for row, error in self._shipping.ship(rows):
            self._spool.kept.add(row)
            self.set_aside += 1
            logger.error("a journal row is set aside: %s", _first_line(error))
        self.breaker.succeeded()


def _batches(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"

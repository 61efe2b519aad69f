"""An append-only local spool of journal rows, in segments, on its way to PostgreSQL.

A row is in the file before its request is answered, so killing the process
loses none; rows are flushed to the disk in groups, so losing the machine loses
at most one group. Refuses a row when full, and a folder that another process
writes to. While a file cannot be opened, written or flushed, that is counted,
tried again until it passes, and `trouble` reports it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from journal import folder as folders
from journal.aside import Aside
from journal.folder import ASIDE, OWNER, SUFFIX
from journal.frames import framed, rows_in
from journal.segment import Segment
from journal.tending import Tending
from slipway.errors import Unavailable

__all__ = ["ASIDE", "OWNER", "SEGMENT_BYTES", "SUFFIX", "Spool", "SpoolFull", "rows_in"]

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 << 20
# A segment grows past its size while the next cannot be opened, and to this: it is read into memory to be shipped.
MOST_SEGMENT_BYTES = 4 * SEGMENT_BYTES


class SpoolFull(Exception):
    """The spool or its disk takes no more rows."""


class Spool:
    """Append rows; hand out the oldest; forget what was shipped."""

    def __init__(self, folder: Path, most_bytes: int, sync_seconds: float, claim_seconds: float = 0.0) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._claim = folders.claimed(folder, claim_seconds)
        folders.drop_copies(folder)
        self.kept = Aside(folder)
        self._damaged = 0
        self._sealed = self._adopted()
        self._sealed_bytes = sum(s.size for s in self._sealed)
        self._number = folders.last_number(folder)  # of others' files too: a name is used once
        try:
            self._open = self._next()
        except OSError as error:
            self._claim.close()
            raise _unwritable(folder, error) from error
        self._tending = Tending(folder, sync_seconds, self)
        self._tending.thread.start()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait, those set aside included."""
        return self._sealed_bytes + self._open.size + self.kept.size

    @property
    def records(self) -> int:
        """Rows that wait."""
        return sum(s.records for s in [*self._sealed, self._open])

    @property
    def age_seconds(self) -> float:
        """How long the oldest row has waited."""
        waiting = [s.started for s in [*self._sealed, self._open] if s.records]
        return time.time() - min(waiting) if waiting else 0.0

    @property
    def full(self) -> bool:
        """Whether the next row would be refused."""
        return self.waiting_bytes >= self._most_bytes

    @property
    def aside(self) -> Path:
        """File of the rows that PostgreSQL refused to store."""
        return self.kept.path

    @property
    def damaged(self) -> int:
        """Places in segments that held no readable row."""
        return self._damaged

    @property
    def failures(self) -> dict[str, int]:
        """Failed operations on the spool's files, by kind."""
        return self._tending.failures

    @property
    def trouble(self) -> str | None:
        """Why rows are not safe or cannot be taken now; None when all is well."""
        return self._tending.trouble

    def append(self, row: bytes) -> None:
        """Write one row; it is in the file when this returns.

        Raises:
            SpoolFull: nothing was written.
        """
        try:
            frame = framed(row)
        except ValueError as error:
            raise SpoolFull(str(error)) from None
        with self._lock:
            if self.full:
                raise SpoolFull(f"the spool holds {self._most_bytes} bytes")
            if self._open.size >= MOST_SEGMENT_BYTES:
                raise SpoolFull("the next segment cannot be opened")
            try:
                self._open.append(frame)
            except OSError as error:
                self._tending.failed("write", error)
                raise SpoolFull(str(error)) from error
            if self._open.size >= SEGMENT_BYTES and not self._tending.fails("open"):
                self.seal()

    def oldest(self) -> Path | None:
        """Return the oldest segment to ship, sealing the open one if need be; None when nothing waits."""
        with self._lock:
            if not self._sealed and self._open.records and not self._tending.fails("open"):
                self.seal()
            return self._sealed[0].path if self._sealed else None

    def forget(self, path: Path, damaged: int = 0) -> None:
        """Delete a segment that was shipped; keep it aside when it had `damaged` places."""
        with self._lock:
            self._sealed = [s for s in self._sealed if s.path != path]
            self._sealed_bytes = sum(s.size for s in self._sealed)
        self.put_away(path, path.stem, damaged)

    def put_away(self, path: Path, name: str, damaged: int) -> None:
        """Delete a segment of any folder, or keep it aside under `name` when it had `damaged` places."""
        try:
            if damaged:
                self.kept.keep(path, name)
                self._damaged += damaged
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            self._tending.failed("remove", error, path)

    def failed(self, kind: str, error: OSError) -> None:
        """Count a failed operation of another on the spool's files."""
        self._tending.count(kind, error)

    def seal(self) -> bool:
        """Go on in the next segment; False, and nothing changed, while it cannot be opened. The caller has the lock."""
        try:
            following = self._next()
        except OSError as error:
            self._tending.failed("open", error)
            return False
        self._tending.sealed(self._open)  # flushed by the other thread: a slow disk must not stop the appends
        self._sealed.append(self._open)
        self._sealed_bytes += self._open.size
        self._open = following
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[Segment]:
        """Hold the lock and give the open segment."""
        with self._lock:
            yield self._open

    def holds(self, path: Path) -> bool:
        """Whether this segment waits still."""
        return any(segment.path == path for segment in [*self._sealed, self._open])

    def close(self) -> None:
        """Flush and let go of the folder."""
        if not self._tending.stop():
            logger.error("the spool's disk does not answer: what it holds is adopted by the next server")
            return
        self._tending.end(self._open)
        if not self._open.records:
            with contextlib.suppress(OSError):
                self._open.path.unlink(missing_ok=True)
        self._claim.close()

    def _next(self) -> Segment:
        while True:
            self._number += 1
            with contextlib.suppress(FileExistsError):  # another's: it is left as it is
                return Segment.made(self._folder / f"{self._number:012d}{SUFFIX}")

    def _adopted(self) -> list[Segment]:
        found = []
        for path in folders.segments(self._folder):
            try:
                segment = Segment.adopted(path)
            except OSError as error:
                folders.leave(path, f"cannot be read ({error.strerror})")
                continue
            if segment.records:
                found.append(segment)
            else:
                self._put_away_empty(segment)
        return found

    def _put_away_empty(self, segment: Segment) -> None:
        """Delete an empty segment; keep one that has bytes and no row."""
        try:
            if segment.size:
                self.kept.keep(segment.path, segment.path.stem)
                self._damaged += 1
            else:
                segment.path.unlink()
        except OSError as error:
            folders.leave(segment.path, f"cannot be moved ({error.strerror})")


def _unwritable(folder: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"the spool {folder} cannot be written", expected="a folder with room for files and bytes",
        found=str(error.strerror), hint="free space and inodes on its volume, then start again",
    )  # fmt: skip

"""The thread that flushes a spool's files in groups, and puts right what failed.

An operation that fails is counted, and tried again by this thread until it
passes: the next segment is opened, a segment whose flush failed is written
anew, a full disk is tried with a small file. Until then `trouble` names it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from journal.folder import PROBE, opened, write_all
from journal.segment import Segment
from slipway.threads import Recurring

if TYPE_CHECKING:
    from journal.spool import Spool

logger = logging.getLogger(__name__)

TROUBLED_SECONDS = 0.25
COUNT_SECONDS = 1.0
STOP_SECONDS = 10.0
PROBE_BYTES = 64 << 10
WORDS = {
    "open": "the next segment cannot be opened",
    "write": "a row cannot be written",
    "sync": "rows cannot be flushed to the disk",
    "remove": "a segment that was shipped cannot be deleted",
    "read": "a segment cannot be read",
}


class Tending:
    """Knows what of a spool is not safe yet, and what failed."""

    def __init__(self, folder: Path, sync_seconds: float, spool: Spool) -> None:
        self.failures = dict.fromkeys(WORDS, 0)
        self.thread = Recurring("spool-sync", self._step, sync_seconds)
        self._folder = folder
        self._spool = spool
        self._new_names = True
        self._troubles: dict[str, str] = {}
        self._unsynced: list[Segment] = []
        self._unsafe: list[Segment] = []
        self._left: set[Path] = set()
        self._counted = 0.0

    @property
    def trouble(self) -> str | None:
        """What fails now, in words."""
        return next(iter(list(self._troubles.values())), None) or self.thread.trouble

    def fails(self, kind: str) -> bool:
        """Whether an operation of this kind failed and has not passed since."""
        return kind in self._troubles

    def count(self, kind: str, error: OSError) -> None:
        """Count a failure that others try again."""
        self.failures[kind] += 1
        logger.error("the spool `%s`: %s: %s", self._folder, WORDS[kind], error.strerror or error)

    def failed(self, kind: str, error: OSError, path: Path | None = None) -> None:
        """Count a failure, and try again until it passes; `path` is what could not be removed."""
        if kind in self._troubles:
            self.failures[kind] += 1
        else:
            self.count(kind, error)
        self._troubles[kind] = f"{WORDS[kind]}: {error.strerror or error}"
        if path is not None:
            self._left.add(path)

    def sealed(self, segment: Segment) -> None:
        """Flush a segment that gets no more rows, then give it up. The spool holds its lock."""
        self._unsynced.append(segment)
        self._new_names = True

    def stop(self) -> bool:
        """Stop the thread; False when it hangs in a call to the disk."""
        return self.thread.stop(STOP_SECONDS)

    def end(self, last: Segment) -> None:
        """Flush and close everything, after `stop`."""
        for segment in [*self._unsynced, last]:
            self._flush(segment)
            self._given_up(segment)
        self._rewrite_unsafe()
        for segment in self._unsafe:
            self._given_up(segment)
        self._flush_names()

    def _step(self) -> float | None:
        with self._spool.held() as current:
            if current.records and (self._troubles.keys() & {"open", "write"} or current in self._unsafe):
                self._pass("open", self._spool.seal())
        with self._spool.held() as current:
            sealed, self._unsynced = self._unsynced, []
        for segment in sealed:
            if self._flush(segment):
                self._given_up(segment)
        if current.dirty:
            self._flush(current)
        self._rewrite_unsafe()
        self._flush_names()
        self._remove_left()
        self._try_the_disk()
        if time.monotonic() - self._counted > COUNT_SECONDS:
            self._counted = time.monotonic()
            with contextlib.suppress(OSError):  # no descriptor to list the folder with: the last count holds
                self._spool.kept.count()
        return TROUBLED_SECONDS if self._troubles else None

    def _pass(self, kind: str, passed: bool = True) -> None:
        if passed and self._troubles.pop(kind, None) is not None:
            logger.warning("the spool `%s`: it is over that %s", self._folder, WORDS[kind])

    def _flush(self, segment: Segment) -> bool:
        try:
            segment.sync()
        except OSError as error:
            self.failed("sync", error)
            self._unsafe.append(segment)
            return False
        return True

    def _given_up(self, segment: Segment) -> None:
        try:
            segment.close()
        except OSError as error:  # as a remote file system tells what it could not keep
            self.failed("sync", error)
            self._unsafe.append(segment)

    def _rewrite_unsafe(self) -> None:
        with self._spool.held() as current:
            waiting = [s for s in self._unsafe if s is not current]
        for segment in waiting:
            try:
                copy = segment.copied() if self._spool.holds(segment.path) else None
            except FileNotFoundError:  # shipped meanwhile
                copy = None
            except OSError as error:
                self.failed("sync", error)
                return
            if copy is not None:
                self._put_in_place(copy, segment)
            self._unsafe.remove(segment)
            self._given_up(segment)
            self._new_names = True

    def _put_in_place(self, copy: Path, segment: Segment) -> None:
        with self._spool.held():  # no other thread takes it for shipped in between
            if self._spool.holds(segment.path):
                copy.rename(segment.path)
            else:
                copy.unlink()

    def _flush_names(self) -> None:
        if self._new_names:
            self._new_names = False
            try:
                _flush_folder(self._folder)
            except OSError as error:
                self._new_names = True
                self.failed("sync", error)
        if not self._unsafe and not self._new_names:
            self._pass("sync")

    def _remove_left(self) -> None:
        for path in list(self._left):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                self.failed("remove", error)
                return
            self._left.discard(path)
        self._pass("remove")

    def _try_the_disk(self) -> None:
        if not self._troubles.keys() & {"open", "write"}:
            return
        path = self._folder / PROBE
        try:
            with FileIO(os.fspath(path), "w", opener=opened) as file:
                write_all(file, bytes(PROBE_BYTES))
                os.fsync(file.fileno())
        except OSError as error:
            kind = "write" if self.fails("write") else "open"
            self.failed(kind, error)
        else:
            self._pass("open")
            self._pass("write")
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has nothing to flush there
            raise
    finally:
        os.close(directory)

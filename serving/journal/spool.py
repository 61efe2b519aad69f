"""An append-only local spool of journal rows, in segments, on its way to PostgreSQL.

A row is in the file before its request is answered, so killing the process
loses none; rows are flushed to the disk in groups, so losing the machine loses
at most one group. Refuses a row when full, and a folder that another process
writes to.

A frame is `length` and `CRC-32` (two little-endian uint32), then the row.
"""

from __future__ import annotations

import fcntl
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import Refused, Unavailable

logger = logging.getLogger(__name__)

HEAD = struct.Struct("<II")
SEGMENT_BYTES = 4 << 20
SUFFIX = ".spool"
OWNER, ASIDE = "owner", "aside"


class SpoolFull(Exception):
    """The spool or its disk takes no more rows."""


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int
    records: int
    started: float


class Spool:
    """Append rows; hand out the oldest; forget what was shipped."""

    def __init__(self, folder: Path, most_bytes: int, sync_seconds: float, claim_seconds: float = 0.0) -> None:
        self._folder = folder
        self._claim_until = time.monotonic() + claim_seconds
        self._most_bytes = most_bytes
        self._sync_seconds = sync_seconds
        self._lock = threading.Lock()
        self._handle = -1
        self._dirty = False
        self._unsynced: list[int] = []
        self._closing = threading.Event()
        self._claim = self._claimed()
        self._sealed = self._adopted()
        self._sealed_bytes = sum(s.size for s in self._sealed)
        self._number = max((int(s.path.stem) for s in self._sealed), default=0)
        self._open = self._next()
        self._syncer = threading.Thread(target=self._sync_in_groups, name="spool-sync", daemon=True)
        self._syncer.start()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait."""
        return sum(s.size for s in [*self._sealed, self._open])

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
        return self._sealed_bytes + self._open.size >= self._most_bytes

    @property
    def aside(self) -> Path:
        """File of the rows that PostgreSQL refused to store."""
        return self._folder / ASIDE

    def append(self, row: bytes) -> None:
        """Write one row; it is in the file when this returns.

        Raises:
            SpoolFull: nothing was written.
        """
        frame = HEAD.pack(len(row), zlib.crc32(row)) + row
        with self._lock:
            if self.full:
                raise SpoolFull(f"the spool holds {self._most_bytes} bytes")
            self._write(frame)
            segment = self._open
            if not segment.records:
                segment.started = time.time()
            segment.size += len(frame)
            segment.records += 1
            self._dirty = True
            if segment.size >= SEGMENT_BYTES:
                self._seal()

    def oldest(self) -> Path | None:
        """Return the oldest segment to ship, sealing the open one if need be; None when nothing waits."""
        with self._lock:
            if not self._sealed and self._open.records:
                self._seal()
            return self._sealed[0].path if self._sealed else None

    def forget(self, path: Path) -> None:
        """Delete a segment that was shipped."""
        with self._lock:
            self._sealed = [s for s in self._sealed if s.path != path]
            self._sealed_bytes = sum(s.size for s in self._sealed)
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Flush and let go of the folder."""
        self._closing.set()
        self._syncer.join()
        with self._lock:
            for handle in [*self._unsynced, self._handle]:
                _flush_and_close(handle)
            if not self._open.records:
                self._open.path.unlink(missing_ok=True)
        os.close(self._claim)

    def _write(self, frame: bytes) -> None:
        try:
            written = os.write(self._handle, frame)
        except OSError as error:
            raise SpoolFull(str(error)) from error
        if written != len(frame):  # the disk is full: take the half row back
            os.ftruncate(self._handle, self._open.size)
            raise SpoolFull("the disk is full")

    def _seal(self) -> None:
        self._unsynced.append(self._handle)  # flushed by the other thread: a slow disk must not stop the appends
        self._sealed.append(self._open)
        self._sealed_bytes += self._open.size
        self._open = self._next()

    def _next(self) -> _Segment:
        self._number += 1
        path = self._folder / f"{self._number:012d}{SUFFIX}"
        self._handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return _Segment(path, 0, 0, time.time())

    def _sync_in_groups(self) -> None:
        while not self._closing.wait(self._sync_seconds):
            with self._lock:
                handles, self._unsynced = self._unsynced, []
                if self._dirty:
                    handles.append(os.dup(self._handle))
                    self._dirty = False
            for handle in handles:
                _flush_and_close(handle)

    def _claimed(self) -> int:
        while True:
            try:
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                claim = os.open(self._folder / OWNER, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise Unavailable(
                    f"the spool {self._folder} cannot be written", expected="a writable folder",
                    found=str(error.strerror), hint="set SLIPWAY_SPOOL to a folder on a volume",
                ) from error  # fmt: skip
            if self._locked(claim):
                return claim
            os.close(claim)
            if time.monotonic() > self._claim_until:
                raise Refused(
                    f"the spool {self._folder} belongs to another server", expected="one server a spool",
                    found="a running owner", hint="set SLIPWAY_SPOOL to a folder of its own",
                )  # fmt: skip
            time.sleep(0.05)  # another pod ships what the server before this one left here

    def _locked(self, claim: int) -> bool:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The folder may have been shipped and removed between opening and locking.
            return os.path.samestat(os.fstat(claim), (self._folder / OWNER).stat())
        except OSError:
            return False

    def _adopted(self) -> list[_Segment]:
        found = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            rows = sum(1 for _ in rows_in(path))
            if rows:
                found.append(_Segment(path, path.stat().st_size, rows, path.stat().st_mtime))
            else:
                path.unlink()
        return found


def _flush_and_close(handle: int) -> None:
    try:
        os.fdatasync(handle)
    except OSError as error:
        logger.error("the spool cannot be flushed: %s", error)  # noqa: TRY400 - the reason is enough
    finally:
        os.close(handle)


def rows_in(path: Path) -> Iterator[bytes]:
    """Read a segment's rows; stop at a torn or damaged frame, which no answered request wrote last."""
    content = path.read_bytes()
    position = 0
    while position + HEAD.size <= len(content):
        length, checksum = HEAD.unpack_from(content, position)
        row = content[position + HEAD.size : position + HEAD.size + length]
        # A length of zero is what a file system leaves after a power cut: zeros, with the CRC of nothing.
        if length == 0 or len(row) != length or zlib.crc32(row) != checksum:
            logger.error("%s is damaged at byte %d of %d", path.name, position, len(content))
            return
        yield row
        position += HEAD.size + length

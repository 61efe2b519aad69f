"""One file of the spool: appended to, synced, closed once.

Holds a file object and never a bare number: after `close` there is nothing to
write to, so that a number which the process was given again is never meant.
"""

from __future__ import annotations

import errno
import os
import time
from io import FileIO
from pathlib import Path

from journal.folder import COPY, created, opened, write_all
from journal.frames import read


class Segment:
    """Rows in a file; `file` is None where it was adopted, or closed."""

    def __init__(self, path: Path, size: int, records: int, started: float, file: FileIO | None = None) -> None:
        self.path = path
        self.size = size
        self.records = records
        self.started = started
        self.dirty = False
        self._file = file
        self._torn = False

    @classmethod
    def made(cls, path: Path) -> Segment:
        """Make a new one.

        Raises:
            OSError: it cannot be made, or is there.
        """
        return cls(path, 0, 0, time.time(), FileIO(os.fspath(path), "ab", opener=created))

    @classmethod
    def adopted(cls, path: Path) -> Segment:
        """Take over what another process wrote.

        Raises:
            OSError: it cannot be read.
        """
        status = path.stat()
        return cls(path, status.st_size, sum(1 for _ in read(path)), status.st_mtime)

    def append(self, frame: bytes) -> None:
        """Write one frame.

        Raises:
            OSError: nothing of it is in the file.
        """
        file = self._opened()
        if self._torn:
            self._untear(file)
        try:
            written = file.write(frame)
        except OSError:
            self._torn = True
            raise
        if written != len(frame):  # the disk is full: take the half row back
            self._torn = True
            self._untear(file)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if not self.records:
            self.started = time.time()
        self.size += len(frame)
        self.records += 1
        self.dirty = True

    def sync(self) -> None:
        """Flush to the disk.

        Raises:
            OSError: what was written may not be on the disk, and another try may pass without having flushed it.
        """
        self.dirty = False
        os.fdatasync(self._opened().fileno())

    def close(self) -> None:
        """Give the file up; a second time does nothing.

        Raises:
            OSError: the file system reports a late failure; the file is given up nevertheless.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def copied(self) -> Path:
        """Write the complete segment once more, beside itself, and flush that.

        After a failed flush the kernel may take the pages for clean: only a new file can be trusted.

        Raises:
            OSError: there is no copy.
        """
        copy = self.path.with_suffix(COPY)
        content = self.path.read_bytes()
        with FileIO(os.fspath(copy), "w", opener=opened) as file:
            write_all(file, content)
            os.fsync(file.fileno())
        return copy

    def _untear(self, file: FileIO) -> None:
        file.truncate(self.size)
        self._torn = False

    def _opened(self) -> FileIO:
        if self._file is None:
            raise OSError(errno.EBADF, "the segment is closed")
        return self._file

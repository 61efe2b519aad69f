"""What could not go on: rows that PostgreSQL refused, and segments with damage. Kept, counted, read back.

Rows are in one file, `aside`, in frames; a damaged segment keeps its bytes
under another name, since its intact rows were shipped. Both count against the
spool's limit, so that nothing fills the volume past it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from journal.folder import ASIDE, COPY, DAMAGED, opened, write_all
from journal.frames import Frames, framed

logger = logging.getLogger(__name__)


class Aside:
    """What a spool's folder keeps aside; `size` is its bytes at the last count."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ASIDE
        self.size = 0
        self._folder = folder
        self.count()

    def count(self) -> None:
        """Look again how much there is: an operator may have read it back or deleted it."""
        self.size = sum(path.lstat().st_size for path in kept(self._folder))

    def add(self, row: bytes) -> None:
        """Keep a row.

        Raises:
            OSError: it cannot be kept; nothing was written.
        """
        self.add_frames(framed(row))

    def add_frames(self, content: bytes) -> None:
        """Keep the frames of another folder's file.

        Raises:
            OSError: they cannot be kept; nothing was written.
        """
        with _locked(self.path) as file:
            before = os.fstat(file.fileno()).st_size
            try:
                write_all(file, content)
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
        self.size += len(content)

    def keep(self, segment: Path, name: str) -> None:
        """Keep a damaged segment, under `name`.

        Raises:
            OSError: it cannot be moved.
        """
        target, further = self._folder / f"{name}{DAMAGED}", 1
        while os.path.lexists(target):
            target, further = self._folder / f"{name}-{further}{DAMAGED}", further + 1
        size = segment.stat().st_size
        segment.rename(target)
        self.size += size
        logger.error("the segment `%s` is damaged: it is kept as `%s`", segment.name, target.name)


def kept(folder: Path) -> list[Path]:
    """List the files of a folder that hold what was set aside.

    Raises:
        OSError: the folder cannot be listed.
    """
    found = []
    for path in folder.iterdir():
        if path.name == ASIDE or path.name.endswith(DAMAGED):
            with contextlib.suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    found.append(path)
    return sorted(found)


def rows(path: Path) -> Frames:
    """Read what one of the `kept` files holds.

    Raises:
        OSError: it cannot be read.
    """
    return Frames(path.read_bytes(), unsummed=path.name == ASIDE)


def read_back(path: Path, store: Callable[[bytes], bool]) -> tuple[int, int]:
    """Hand every row of a `kept` file to `store` and drop those it took; return how many it took and how many stay.

    A file with damage stays as it is: what cannot be read may still be needed.

    Raises:
        OSError: it cannot be read or written; no row is lost.
    """
    if path.name != ASIDE:
        taken = [store(row) for row in rows(path)]
        return sum(taken), len(taken) - sum(taken)
    with _locked(path) as file:
        file.seek(0)
        frames = Frames(file.readall(), unsummed=True)
        given = list(frames)
        left = [row for row in given if not store(row)]
        if not frames.damaged and len(left) < len(given):
            _replace(path, left)
    return len(given) - len(left), len(left)


def _replace(path: Path, left: list[bytes]) -> None:
    if not left:
        path.unlink()
        return
    copy = path.with_name(path.name + COPY)
    with FileIO(os.fspath(copy), "w", opener=opened) as file:
        for row in left:
            write_all(file, framed(row))
        os.fsync(file.fileno())
    copy.rename(path)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[FileIO]:
    """Open the file, made if need be, while no other process writes or replaces it."""
    while True:
        with FileIO(os.fspath(path), "ab+", opener=opened) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.lstat()):
                    yield file
                    return

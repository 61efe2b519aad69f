"""What pods that are gone left on a volume that pods share: shipped by those that are there.

Each server has a folder of its own below the volume and holds the lock of its
`owner` file while it lives. A folder whose lock is free has lost its server:
whoever gets the lock ships the rows, then removes the folder. A row that is
shipped twice is stored once, so dying in between loses and doubles nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Generator, Iterator
from pathlib import Path

from serving.journal.spool import ASIDE, OWNER, SUFFIX

logger = logging.getLogger(__name__)


def segments(volume: Path, own: Path) -> Generator[Path]:
    """Yield each segment that waits in a folder without a server; the caller ships and deletes it.

    A folder goes when everything of it is shipped. What PostgreSQL refused to store (`aside`) moves
    to `own`.
    """
    for folder in sorted(path for path in volume.iterdir() if path.is_dir() and path != own):
        with _claimed(folder) as claimed:
            if not claimed:
                continue
            waiting = sorted(folder.glob(f"*{SUFFIX}"))
            logger.warning(
                "the spool of %s has no server any more: %d segment(s) are shipped", folder.name, len(waiting)
            )
            yield from waiting
            _remove(folder, own)


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    try:
        claim = os.open(folder / OWNER, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # made a moment ago, or removed
        yield False
        return
    try:
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(claim)


def _remove(folder: Path, own: Path) -> None:
    aside = folder / ASIDE
    if aside.exists():
        with (own / ASIDE).open("ab") as file:
            file.write(aside.read_bytes())
        aside.unlink()
    (folder / OWNER).unlink()
    folder.rmdir()

"""What pods that are gone left on a volume that pods share: shipped by those that are there.

Each server has a folder of its own below the volume and holds the lock of its
`owner` file while it lives. A folder whose lock is free has lost its server:
whoever gets the lock ships the rows, then removes the folder. A row that is
shipped twice is stored once, so dying in between loses and doubles nothing.
Folders that no server made are left alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Generator, Iterator
from io import FileIO
from pathlib import Path

from journal import folder as folders
from journal.aside import Aside, kept
from journal.folder import ASIDE, OWNER, PROBE

logger = logging.getLogger(__name__)


def segments(volume: Path, own: Path, into: Aside | None = None) -> Generator[Path]:
    """Yield each segment that waits in a folder without a server; the caller ships it and puts it away.

    A folder goes when everything of it is shipped. What was set aside there moves `into` the own folder's.

    Raises:
        OSError: the volume cannot be read.
    """
    for folder in sorted(path for path in volume.iterdir() if path != own and _is_folder(path)):
        with _claimed(folder) as claimed:
            if not claimed:
                continue
            waiting = folders.segments(folder)
            logger.warning(
                "the spool of %s has no server any more: %d segment(s) are shipped", folder.name, len(waiting)
            )
            yield from waiting
            _remove(folder, into if into is not None else Aside(own))


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


@contextlib.contextmanager
def _claimed(folder: Path) -> Iterator[bool]:
    owner = folder / OWNER
    try:
        status = owner.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size:
            folders.leave(folder, "was not made by a server: its `owner` is not a lock of ours")
            yield False
            return
        claim = FileIO(os.fspath(owner), "r+", opener=folders.opened)
    except FileNotFoundError:  # made a moment ago, removed, or none of ours
        if not _is_new(folder):
            folders.leave(folder, "was not made by a server: it has no `owner`")
        yield False
        return
    except (PermissionError, NotADirectoryError) as error:
        folders.leave(folder, f"cannot be entered ({error.strerror})")
        yield False
        return
    with claim:
        yield folders.locked(claim, folder)


def _is_new(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return not any(folder.iterdir())
    return True


def _remove(folder: Path, into: Aside) -> None:
    for path in kept(folder):
        if path.name == ASIDE:
            into.add_frames(path.read_bytes())
            path.unlink()
        else:
            into.keep(path, f"{folder.name}-{path.stem}")
    folders.drop_copies(folder)
    (folder / PROBE).unlink(missing_ok=True)
    others = sorted(path.name for path in folder.iterdir() if path.name != OWNER)
    if others:
        folders.leave(folder, f"holds what is not of the spool: {', '.join(others)[:200]}")
        return
    (folder / OWNER).unlink()
    folder.rmdir()

"""The folder of a spool: who owns it, which of its files are segments, and what is another's.

Only files that a spool made are read, moved or deleted: regular files with a
number for a name. Everything else is left alone and named once in the log.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import logging
import os
import re
import stat
import time
from io import FileIO
from pathlib import Path

from slipway.errors import Refused, Unavailable

logger = logging.getLogger(__name__)

SUFFIX, COPY, DAMAGED = ".spool", ".new", ".damaged"
OWNER, ASIDE, PROBE = "owner", "aside", "probe"
SEGMENT = re.compile(r"\d{12,18}\.spool")
# A copy of a segment that could not be synced; the segment itself is there as long as the copy has this name.
COPIED = re.compile(r"\d{12,18}\.new")
# A segment and some rows: a larger file is none of ours, and is not read into memory.
LARGEST_SEGMENT = 64 << 20


def claimed(folder: Path, seconds: float) -> FileIO:
    """Make the folder if need be and lock it, waiting at most `seconds` for whoever has it; return what holds the lock.

    Raises:
        Unavailable: it cannot be written.
        Refused: another server has it.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            claim = FileIO(os.fspath(folder / OWNER), "ab+", opener=opened)
        except OSError as error:
            raise Unavailable(
                f"the spool {folder} cannot be written", expected="a writable folder",
                found=str(error.strerror), hint="set SLIPWAY_SPOOL to a folder on a volume",
            ) from error  # fmt: skip
        if locked(claim, folder):
            return claim
        claim.close()
        if time.monotonic() > ends:
            raise Refused(
                f"the spool {folder} belongs to another server", expected="one server a spool",
                found="a running owner", hint="set SLIPWAY_SPOOL to a folder of its own",
            )  # fmt: skip
        time.sleep(0.05)  # another pod ships what the server before this one left here


def locked(claim: FileIO, folder: Path) -> bool:
    """Lock an owner's file without waiting; False when another has it, or the folder was removed meanwhile."""
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The folder may have been shipped and removed between opening and locking.
        return os.path.samestat(os.fstat(claim.fileno()), (folder / OWNER).lstat())
    except OSError:
        return False


def opened(path: str, flags: int) -> int:
    """Open for `open` and FileIO: never through a symbolic link, for this user alone."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def created(path: str, flags: int) -> int:
    """Open a file that must not be there yet."""
    return opened(path, flags | os.O_EXCL | os.O_CREAT)


def write_all(file: FileIO, content: bytes) -> None:
    """Write all of it.

    Raises:
        OSError: less was written.
    """
    if file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def segments(folder: Path) -> list[Path]:
    """List the segments in the order of writing; name what is not ours.

    Raises:
        OSError: the folder cannot be listed.
    """
    found = []
    for path in folder.iterdir():
        if not _made_here(path.name):
            leave(path, "is not a file of the spool")
        elif SEGMENT.fullmatch(path.name) and (why := _no_segment(path)):
            leave(path, why)
        elif SEGMENT.fullmatch(path.name):
            found.append(path)
    return sorted(found, key=number)


def number(path: Path) -> int:
    """Return a segment's number."""
    return int(path.stem)


def last_number(folder: Path) -> int:
    """Return the highest number of any file that is called like a segment; 0 when there is none."""
    return max((number(path) for path in folder.iterdir() if SEGMENT.fullmatch(path.name)), default=0)


def drop_copies(folder: Path) -> None:
    """Delete copies of segments that a server before this one did not finish."""
    for path in folder.iterdir():
        if COPIED.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
            with contextlib.suppress(OSError):
                path.unlink()


@functools.lru_cache(maxsize=1000)
def leave(path: Path, why: str) -> None:
    """Say once that a path in the spool's folder is left alone, and why."""
    logger.warning("the spool does not use `%s`: it %s", path, why)


def _made_here(name: str) -> bool:
    ours = name in (OWNER, ASIDE, PROBE, f"{ASIDE}{COPY}") or name.endswith(DAMAGED)
    return ours or SEGMENT.fullmatch(name) is not None or COPIED.fullmatch(name) is not None


def _no_segment(path: Path) -> str | None:
    try:
        status = path.lstat()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISREG(status.st_mode):
        return "is called like a segment and is not a regular file"
    return f"is larger than any segment ({status.st_size} bytes)" if status.st_size > LARGEST_SEGMENT else None

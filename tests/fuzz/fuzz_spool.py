"""The readers of what a spool left: frames with damage, rows that older servers wrote, files set aside, odd folders.

Whatever a segment holds, its reader ends and makes no row up. What no damage
touched is found. Reading back drops what was taken and nothing else.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from journal import aside
from journal.folder import ASIDE
from journal.frames import HEAD, Frames, framed, rows_in
from journal.record import repaired
from journal.spool import Spool

MOST_DAMAGES = 4
SPOOL_BYTES = 1 << 20


def check(data: bytes) -> None:
    """Hand `data[1:]` to the reader that the first byte names."""
    if len(data) > 1:
        READERS[data[0] % len(READERS)](bytes(data[1:]))


def any_bytes(content: bytes) -> None:
    """Read bytes that may be anything."""
    for unsummed in (False, True):
        frames = Frames(content, unsummed=unsummed)
        rows = list(frames)
        assert rows == list(frames), "a second reading finds other rows"
        assert sum(len(row) + HEAD.size for row in rows) <= len(content), "rows overlap"
        assert all(row in content for row in rows)
        if not frames.damaged and not unsummed:
            assert b"".join(framed(row) for row in rows) == content[: len(content.rstrip(b"\0"))].ljust(
                sum(len(row) + HEAD.size for row in rows), b"\0"
            )


def damaged_rows(content: bytes) -> None:
    """Write rows, damage the file in a few places, and find every row that was not touched."""
    count = content[0] % MOST_DAMAGES
    damages, text = content[1 : 1 + 4 * count], content[1 + 4 * count :]
    rows = [row for row in text.replace(b"\0", b"").split(b"\n") if row]
    # Each byte of the file with the row that it is of, so that damage shows which rows are still intact.
    marked = [(byte, index) for index, row in enumerate(rows) for byte in framed(row)]
    touched: set[int] = set()
    for start in range(0, len(damages) - 3, 4):
        marked = _damaged(marked, damages[start : start + 4], touched)
    intact = [row for index, row in enumerate(rows) if index not in touched]
    found = iter(Frames(bytes(byte for byte, _ in marked)))
    assert all(row in found for row in intact), "a row that no damage touched is lost"


def _damaged(marked: list[tuple[int, int]], damage: bytes, touched: set[int]) -> list[tuple[int, int]]:
    kind, size = damage[0] % 4, 1 + damage[3]
    start = int.from_bytes(damage[1:3], "little") % (len(marked) + 1)
    if kind == 0:  # bytes that nobody wrote, between or inside rows
        if 0 < start < len(marked) and marked[start - 1][1] == marked[start][1]:
            touched.add(marked[start][1])
        return marked[:start] + [(damage[3] | 1, -1)] * (size % 16) + marked[start:]
    touched.update(index for _, index in marked[start : start + size])
    if kind == 1:
        touched.update(_as_well(marked, start, size))
        return marked[:start] + marked[start + size :]
    changed = [(0 if kind == 2 else byte ^ 1 << damage[3] % 8, index) for byte, index in marked[start : start + size]]
    return marked[:start] + changed + marked[start + size :]


def _as_well(marked: list[tuple[int, int]], start: int, size: int) -> Iterator[int]:
    """Yield the rows that may have lost a byte as well: `aab` without its first a is `aab` without its second."""
    for step in range(len(marked) - start - size):
        if marked[start + step][0] != marked[start + size + step][0]:
            break
        yield marked[start + size + step][1]
    for step in range(1, start + 1):
        if marked[start - step][0] != marked[min(start + size, len(marked)) - step][0]:
            break
        yield marked[start - step][1]


def older_row(content: bytes) -> None:
    """Write a row again that PostgreSQL refused."""
    other = repaired(content)
    if other is not None:
        assert b"\\u0000" not in other.replace(b"\\\\", b"")
        json.loads(other.decode(), parse_constant=_not_finite)
        assert repaired(other) == other


def set_aside(content: bytes) -> None:
    """Read a file of rows back, half of which are taken."""
    path = _folder() / ASIDE
    path.write_bytes(content)
    rows = list(aside.rows(path))
    damaged = Frames(content, unsummed=True)
    list(damaged)
    taken, left = aside.read_back(path, lambda row: bool(row[0] & 1))
    refused = [row for row in rows if not row[0] & 1]
    assert (taken, left) == (len(rows) - len(refused), len(refused))
    if damaged.damaged or not taken:
        assert path.read_bytes() == content
    elif refused:
        assert list(aside.rows(path)) == refused
    else:
        assert not path.exists()
    path.unlink(missing_ok=True)


def odd_folder(content: bytes) -> None:
    """Start on a folder with files of any name; those that are no segments stay as they are."""
    with tempfile.TemporaryDirectory(dir=_folder()) as name:
        folder = Path(name) / "spool"
        folder.mkdir()
        there = _files(folder, content)
        spool = Spool(folder, SPOOL_BYTES, 10.0)
        try:
            spool.append(b"{}")
            found = []
            while (path := spool.oldest()) is not None:
                found += list(rows_in(path))
                spool.forget(path)
        finally:
            spool.close()
        assert found[-1] == b"{}"
        for path, held in there.items():
            assert path.read_bytes() == held, "a file of somebody else was changed"


def _files(folder: Path, content: bytes) -> dict[Path, bytes]:
    """Make files; return those that a spool must leave alone."""
    there = {}
    for part in content.split(b"\n")[:8]:
        name, _, held = part.partition(b"=")
        text = "".join(character for character in name.decode("utf-8", "ignore") if character not in "/\0")[:60]
        if text in ("", ".", "..", "owner", "aside", "probe", "aside.new"):
            continue
        path = folder / text
        path.write_bytes(held)
        if not text.isascii() or not text.endswith((".spool", ".new", ".damaged")):
            there[path] = held
    return there


def _not_finite(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not a JSON number")


@functools.cache
def _folder() -> Path:
    shared = Path("/dev/shm")  # noqa: S108 - many small files, none of them to keep
    made = Path(tempfile.mkdtemp(prefix="slipway-fuzz-", dir=shared if shared.is_dir() else None))
    atexit.register(shutil.rmtree, made)
    return made


READERS: list[Callable[[bytes], None]] = [
    any_bytes, damaged_rows, damaged_rows, older_row, set_aside, damaged_rows, older_row, odd_folder
]  # fmt: skip

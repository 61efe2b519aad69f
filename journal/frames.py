"""The frames of a spool segment: one row each, found again behind damage.

A frame is `length` and `CRC-32` (two little-endian uint32), then the row. A row
has less than 16 MiB, so that the highest byte of a length is zero; JSON holds
no zero byte, which is how the next frame is found behind a damaged one.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

HEAD = struct.Struct("<II")
LARGEST_ROW = (1 << 24) - 1
# Where a head may begin: a length that is not zero, below 16 MiB.
HEADS = re.compile(rb"(?=(?:[^\0]..|\0[^\0].|\0\0[^\0])\0)", re.DOTALL)
# Bytes that may be summed while looking for the next frame, as a multiple of the segment's size.
MOST_SUMMED = 64


def framed(row: bytes) -> bytes:
    """Put a row in its frame.

    Raises:
        ValueError: the row is empty, or too large to be found again.
    """
    if not 0 < len(row) <= LARGEST_ROW:
        raise ValueError(f"a journal row must have 1 to {LARGEST_ROW} bytes, found {len(row)}")
    return HEAD.pack(len(row), zlib.crc32(row)) + row


class Frames:
    """The rows of a segment's bytes; `damaged` counts the places that held no readable frame, once they are read.

    `unsummed` accepts a checksum of zero too, which is what rows set aside had once.
    """

    def __init__(self, content: bytes, *, unsummed: bool = False) -> None:
        self._content = content
        self._unsummed = unsummed
        self._summed = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield every row that is intact, in the order of writing."""
        self.damaged = self._summed = 0
        position, end = 0, len(self._content.rstrip(b"\0"))
        # Zeros at the end are what a file system leaves after a power cut, or the end of a row of zeros.
        while position < end:
            row = self._row(position)
            if row is not None:
                yield row
                position += HEAD.size + len(row)
                continue
            found = self._next(position + 1, end)
            row = self._content[position + HEAD.size : found]
            if self._is_row_of(position, row):  # only the length was damaged
                yield row
            self.damaged += 1
            position = found

    def _row(self, position: int) -> bytes | None:
        if position + HEAD.size > len(self._content):
            return None
        length, checksum = HEAD.unpack_from(self._content, position)
        start = position + HEAD.size
        if not 0 < length <= min(LARGEST_ROW, len(self._content) - start):
            return None
        self._summed += length
        row = self._content[start : start + length]
        return row if zlib.crc32(row) == checksum or (self._unsummed and checksum == 0) else None

    def _next(self, start: int, end: int) -> int:
        """Return where the next readable frame begins, or `end`."""
        budget = self._summed + MOST_SUMMED * len(self._content)
        for candidate in HEADS.finditer(self._content, start, end):
            if self._row(candidate.start()) is not None:
                return candidate.start()
            if self._summed > budget:
                break
        return end

    def _is_row_of(self, position: int, row: bytes) -> bool:
        if not row or position + HEAD.size > len(self._content):
            return False
        return bool(zlib.crc32(row) == HEAD.unpack_from(self._content, position)[1])


def read(path: Path) -> Frames:
    """Read a segment.

    Raises:
        OSError: the file cannot be read.
    """
    return Frames(path.read_bytes())


def rows_in(path: Path) -> Iterator[bytes]:
    """Read a segment's rows, passing over what is damaged.

    Raises:
        OSError: the file cannot be read.
    """
    return iter(read(path))

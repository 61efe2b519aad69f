from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from serving.http import logs
from serving.http.logs import Outlet, RequestLog


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):  # closed by the test
            os.close(end)


def line(number: int) -> bytes:
    return b'{"number":%d,"filled":"%s"}\n' % (number, b"x" * 1000)


def everything(reader: int, holding: bytes) -> bytes:
    """Read whole lines until `holding` is among them."""
    found = b""
    while holding not in found or not found.endswith(b"\n"):
        found += os.read(reader, 1 << 20)
    return found


def test_lines_that_nobody_reads_hold_nobody_up_and_are_counted(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, writer)
    log = RequestLog(outlet)
    count = 2 * logs.WAITING_BYTES // len(line(0))
    began = time.monotonic()
    for number in range(count):
        log.add(line(number))
    log.flush()
    assert time.monotonic() - began < 5
    assert 0 < outlet.dropped < count
    kept: list[int] = []
    told = 0
    while len(kept) + told < count:
        for text in everything(reader, b"\n").splitlines():
            one = json.loads(text)
            if "number" in one:
                kept.append(one["number"])
            else:
                told += int(one["message"].removesuffix(" lines of the log were dropped: no reader kept up"))
    assert told == outlet.dropped
    assert kept == sorted(set(kept))
    log.add(line(7))
    log.flush()
    assert json.loads(everything(reader, b"\n").splitlines()[-1])["number"] == 7  # and it goes on


def test_a_reader_that_is_gone_is_counted_and_ends_nothing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    outlet = Outlet(writer, writer)
    outlet.write(writer, line(1) + line(2))
    outlet.drain()
    outlet.write(writer, line(3))
    outlet.drain()
    assert outlet.dropped == 3


def test_draining_waits_for_the_reader_and_not_for_ever(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(writer, writer)
    outlet.write(writer, b"".join(line(number) for number in range(200)))
    began = time.monotonic()
    outlet.drain(0.2)
    assert 0.2 <= time.monotonic() - began < 2
    coming = threading.Timer(0.1, lambda: everything(reader, b'"number":199'))
    coming.start()
    outlet.drain(5)
    coming.join()
    assert time.monotonic() - began < 4

from __future__ import annotations

import contextlib
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from journal import aside
from journal.aside import Aside
from journal.frames import HEAD, Frames, framed, read
from journal.spool import SEGMENT_BYTES, Spool, SpoolFull, rows_in
from slipway.errors import Refused
from tests.fixtures.servers import wait_until


@contextlib.contextmanager
def limited(which: int, soft: int) -> Iterator[None]:
    before, hard = resource.getrlimit(which)
    resource.setrlimit(which, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (before, hard))


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    with limited(resource.RLIMIT_NOFILE, 3):  # what is open stays open
        yield


def opened(folder: Path, most: int = 1 << 30) -> Spool:
    return Spool(folder, most, 0.01)


def everything(spool: Spool) -> list[bytes]:
    found = []
    while (path := spool.oldest()) is not None:
        found += list(rows_in(path))
        spool.forget(path)
    return found


def test_rows_come_out_in_order_and_once(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    rows = [b"row %d" % i for i in range(100)]
    for row in rows:
        spool.append(row)
    assert spool.records == 100
    assert everything(spool) == rows
    assert (spool.records, spool.waiting_bytes, spool.age_seconds) == (0, 0, 0.0)
    spool.close()


def test_what_waits_is_adopted_by_the_next_server(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.append(b"a")
    first.close()
    second = opened(tmp_path)
    second.append(b"b")
    assert second.records == 2
    assert everything(second) == [b"a", b"b"]
    second.close()


@pytest.mark.parametrize("damage", ["torn", "flipped", "zeros"])
def test_a_damaged_end_loses_that_row_and_no_other(tmp_path: Path, damage: str) -> None:
    spool = opened(tmp_path)
    spool.append(b"first")
    spool.append(b"second")
    spool.close()
    path = next(tmp_path.glob("*.spool"))
    content = path.read_bytes()
    changed = {"torn": content[:-3], "flipped": content[:-1] + b"X", "zeros": content + bytes(64)}[damage]
    path.write_bytes(changed)
    again = opened(tmp_path)
    assert everything(again) == [b"first"] + ([b"second"] if damage == "zeros" else [])
    again.close()


def test_a_full_spool_refuses_and_writes_nothing(tmp_path: Path) -> None:
    spool = opened(tmp_path, most=1000)
    while not spool.full:
        spool.append(b"x" * 100)
    taken = spool.records
    with pytest.raises(SpoolFull):
        spool.append(b"x")
    assert 5 < taken < 15
    assert spool.full
    assert len(everything(spool)) == taken
    spool.append(b"room again")
    spool.close()


def test_a_disk_that_takes_no_byte_leaves_no_half_row_and_heals(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(b"whole")
    with limited(resource.RLIMIT_FSIZE, 20):  # the write stops in the middle of the row, the next one fails
        for _ in range(2):
            with pytest.raises(SpoolFull):
                spool.append(b"lost" * 10)
        assert spool.trouble is not None
        assert "a row cannot be written" in spool.trouble
        assert spool.failures["write"] >= 2
    wait_until(lambda: spool.trouble is None, what="the spool healing by itself")
    spool.append(b"again")
    assert everything(spool) == [b"whole", b"again"]
    spool.close()


def test_without_a_descriptor_no_row_goes_elsewhere_and_none_is_lost(tmp_path: Path) -> None:
    spool = opened(tmp_path / "spool")
    rows = [b"%06d" % i + bytes(1 << 20) for i in range(11)]
    with no_descriptors():
        for row in rows[:6]:
            spool.append(row)
        assert spool.trouble is not None
        assert spool.failures["open"] >= 1
    strangers = [tempfile.TemporaryFile() for _ in range(8)]  # noqa: SIM115 - take every number that may have been closed
    for row in rows[6:]:
        spool.append(row)
    wait_until(lambda: spool.trouble is None, what="the spool healing by itself")
    assert [os.fstat(stranger.fileno()).st_size for stranger in strangers] == [0] * 8
    assert everything(spool) == rows
    for stranger in strangers:
        stranger.close()
    spool.close()


def test_while_no_segment_can_be_opened_the_last_one_is_bounded(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    taken = 0
    with no_descriptors(), pytest.raises(SpoolFull, match="next segment"):  # noqa: PT012 - at one of these rows
        while taken < 100:
            spool.append(bytes(1 << 20))
            taken += 1
    assert spool.waiting_bytes <= 5 * SEGMENT_BYTES
    wait_until(lambda: spool.trouble is None, what="the spool healing by itself")
    assert len(everything(spool)) == taken
    spool.close()


def test_a_segment_whose_flush_failed_is_written_anew(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(b"a row")
    with spool.held() as current:
        pass
    file = current._file
    assert file is not None
    before = current.path.stat().st_ino
    reading, writing = os.pipe()  # what cannot be flushed: fdatasync of a pipe is EINVAL
    kept = os.dup(file.fileno())
    os.dup2(writing, file.fileno())
    current.dirty = True
    wait_until(lambda: spool.failures["sync"] > 0, what="the flush failing")
    os.dup2(kept, file.fileno())
    wait_until(lambda: spool.trouble is None, what="the spool healing by itself")
    assert current.path.stat().st_ino != before
    assert everything(spool) == [b"a row"]
    for number in (reading, writing, kept):
        os.close(number)
    spool.close()


@pytest.mark.parametrize("bit", [0, 7, 20, 31, 32, 40, 63, 64, 100])
def test_a_flipped_bit_costs_one_row_at_most_and_the_file_is_kept(tmp_path: Path, bit: int) -> None:
    spool = opened(tmp_path)
    rows = [b'{"id":"%04d","input":{"rows":[{"a":1}]}}' % i for i in range(20)]
    for row in rows:
        spool.append(row)
    spool.close()
    path = next(tmp_path.glob("*.spool"))
    content = bytearray(path.read_bytes())
    frame = 8 + len(rows[0])
    content[5 * frame + bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    found = read(path)
    left = list(found)
    assert left == (rows if bit < 32 else rows[:5] + rows[6:])  # a wrong length is found out, and the row is whole
    assert found.damaged == 1
    again = opened(tmp_path)
    taken = again.oldest()
    assert taken is not None
    again.forget(taken, found.damaged)
    assert again.damaged == 1
    assert next(tmp_path.glob("*.damaged")).read_bytes() == content
    assert again.waiting_bytes == len(content)  # it counts against the limit
    again.close()


def test_every_single_flipped_bit_costs_one_row_at_most(tmp_path: Path) -> None:
    rows = [b'{"id":"%02d"}' % i for i in range(4)]
    whole = b"".join(framed(row) for row in rows)
    for bit in range(len(whole) * 8):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        frames = Frames(bytes(content))
        left = list(frames)
        assert len(left) >= 3, bit
        assert set(left) <= set(rows), bit
        assert frames.damaged == 1, bit


def test_garbage_is_read_in_bounded_time(tmp_path: Path) -> None:
    hostile = b"\xff\xff\x0f\0" * (1 << 18) + b"\1\0\0\0" * (1 << 18)  # each place looks like a head
    began = time.perf_counter()
    frames = Frames(hostile)
    assert list(frames) == []
    assert frames.damaged >= 1
    assert time.perf_counter() - began < 20


def test_what_no_spool_made_is_left_alone_and_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"not ours")
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "notes.spool").write_bytes(b"somebody's notes")
    (folder / "000000000001.spool").mkdir()
    (folder / "000000000002.spool").symlink_to(elsewhere)
    (folder / "000000000003.spool").symlink_to(folder / "nowhere")
    (folder / "000000000004.spool").write_bytes(b"no frame at all")
    (folder / "lost+found").mkdir()
    (folder / "empty.spool").touch()
    before = sorted(path.name for path in folder.iterdir())
    for _ in range(2):
        spool = opened(folder)
        spool.append(b"mine")
        assert everything(spool) == [b"mine"]
        spool.close()
    kept = sorted(path.name for path in folder.iterdir() if path.name != "owner")
    assert kept == sorted([*(name for name in before if "004" not in name), "000000000004.damaged"])
    assert elsewhere.read_bytes() == b"not ours"
    for name in ("notes.spool", "lost+found", "000000000001.spool", "000000000002.spool"):
        assert sum(f"does not use `{folder / name}`" in line for line in caplog.messages) == 1


def test_what_is_set_aside_counts_against_the_limit_until_it_is_read_back(tmp_path: Path) -> None:
    spool = opened(tmp_path, most=1000)
    spool.kept.add(b"x" * 2000)
    assert spool.full
    with pytest.raises(SpoolFull):
        spool.append(b"x")
    stored: list[bytes] = []

    def store(row: bytes) -> bool:
        stored.append(row)
        return True

    assert aside.read_back(spool.aside, store) == (1, 0)
    assert stored == [b"x" * 2000]
    wait_until(lambda: not spool.full, what="the room being found")
    spool.append(b"x")
    spool.close()


def test_reading_back_keeps_what_is_not_taken(tmp_path: Path) -> None:
    kept = Aside(tmp_path)
    kept.path.write_bytes(HEAD.pack(3, 0) + b"old")  # as it was once written, without a checksum
    kept.add(b"new")
    assert aside.read_back(kept.path, lambda row: row == b"old") == (1, 1)
    assert list(aside.rows(kept.path)) == [b"new"]


def test_segments_are_sealed_when_large(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for _ in range(3):
        spool.append(bytes(SEGMENT_BYTES // 2))
    assert len(list(tmp_path.glob("*.spool"))) == 2
    assert len(everything(spool)) == 3
    spool.close()


def test_two_servers_never_share_a_spool(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(Refused, match="another server"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()

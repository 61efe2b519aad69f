from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.journal.spool import SEGMENT_BYTES, Spool, SpoolFull, rows_in
from slipway.errors import Refused


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


def test_f09_a_full_spool_refuses_and_writes_nothing(tmp_path: Path) -> None:
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


def test_a_full_disk_leaves_no_half_row(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    spool.append(b"whole")
    full = os.open("/dev/full", os.O_WRONLY)
    spool._handle, kept = full, spool._handle
    with pytest.raises(SpoolFull):
        spool.append(b"lost")
    spool._handle = kept
    os.close(full)
    assert everything(spool) == [b"whole"]
    spool.close()


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

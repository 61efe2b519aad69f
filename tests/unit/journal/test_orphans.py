from __future__ import annotations

from pathlib import Path

from journal import orphans
from journal.spool import Spool, rows_in


def opened(folder: Path, patience: float = 0.0) -> Spool:
    return Spool(folder, 1 << 20, 0.01, patience)


def shipped(volume: Path, own: Path) -> list[bytes]:
    rows = []
    for path in orphans.segments(volume, own):
        rows += list(rows_in(path))
        path.unlink()
    return rows


def test_what_a_dead_server_left_is_shipped_and_its_folder_goes(tmp_path: Path) -> None:
    own, dead = opened(tmp_path / "own"), opened(tmp_path / "dead")
    dead.append(b"left")
    dead.close()
    assert shipped(tmp_path, tmp_path / "own") == [b"left"]
    assert not (tmp_path / "dead").exists()
    own.close()


def test_a_living_server_and_oneself_are_left_alone(tmp_path: Path) -> None:
    own, living = opened(tmp_path / "own"), opened(tmp_path / "living")
    own.append(b"mine")
    living.append(b"its own")
    assert shipped(tmp_path, tmp_path / "own") == []
    assert (own.records, living.records) == (1, 1)
    own.close()
    living.close()


def test_what_could_not_be_shipped_waits_for_the_next_try(tmp_path: Path) -> None:
    own, dead = opened(tmp_path / "own"), opened(tmp_path / "dead")
    dead.append(b"left")
    dead.close()
    tried = orphans.segments(tmp_path, tmp_path / "own")
    next(tried)
    tried.close()  # as when PostgreSQL does not answer
    assert shipped(tmp_path, tmp_path / "own") == [b"left"]
    own.close()


def test_rows_set_aside_are_kept(tmp_path: Path) -> None:
    own, dead = opened(tmp_path / "own"), opened(tmp_path / "dead")
    dead.aside.write_bytes(b"refused")
    dead.close()
    shipped(tmp_path, tmp_path / "own")
    assert own.aside.read_bytes() == b"refused"
    own.close()


def test_a_server_that_comes_back_waits_for_whoever_ships_its_folder(tmp_path: Path) -> None:
    own, before = opened(tmp_path / "own"), opened(tmp_path / "pod")
    before.append(b"left")
    before.close()
    shipping = orphans.segments(tmp_path, tmp_path / "own")
    next(shipping).unlink()
    assert list(shipping) == []  # done, and the folder is gone
    back = opened(tmp_path / "pod", 5.0)
    back.append(b"new")
    assert back.records == 1
    back.close()
    own.close()


def test_folders_that_no_server_made_are_left_alone(tmp_path: Path) -> None:
    own, dead = opened(tmp_path / "own"), opened(tmp_path / "dead")
    dead.append(b"left")
    dead.close()
    (tmp_path / "dead" / "notes.txt").write_bytes(b"somebody's")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "owner").write_bytes(b"not a lock of ours")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    for _ in range(2):
        shipped(tmp_path, tmp_path / "own")
    assert (tmp_path / "dead" / "notes.txt").read_bytes() == b"somebody's"
    assert not list((tmp_path / "dead").glob("*.spool"))
    assert (tmp_path / "theirs" / "owner").exists()
    assert (tmp_path / "lost+found").is_dir()
    assert (tmp_path / "link").is_symlink()
    own.close()

from __future__ import annotations

import concurrent.futures
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from release.audit.audit import Audit, AuditEntry, in_time, open_audit, verify
from slipway.errors import BadInput, Unavailable

OLD_HASH = (
    "9357c191ef3283ee596bcc4ffefd0f2ef5f6cf4fd5468735ac9ca9fea9076d60"  # of a row without the time at which it happened
)


def write(audit: Audit, key: str, reason: str = "") -> AuditEntry:
    said = {"actor": "Ada <ada@example.org>", "action": "stage", "model": "tiny", "target": "x", "reason": reason}
    return audit.record(key=key, version=1, source=None, **said)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var/audit.db"


@pytest.fixture
def audit(file: Path) -> Audit:
    made = open_audit(f"sqlite:///{file}")
    for key in ("a", "b", "c"):
        write(made, key)
    return made


def test_the_same_key_is_one_entry(audit: Audit) -> None:
    assert write(audit, "b").sequence == 2
    assert [one.sequence for one in audit.entries()] == [1, 2, 3]
    assert verify(audit.entries(), [audit.head() or ""]) == []
    assert audit.known(["a", "z"]) == {"a"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE slipway_audit SET reason = 'other'",
        "DELETE FROM slipway_audit WHERE sequence = 3",
        "INSERT OR REPLACE INTO slipway_audit SELECT * FROM slipway_audit WHERE sequence = 2",
    ],
)
def test_the_database_refuses_to_change_a_row(audit: Audit, file: Path, statement: str) -> None:
    with sqlite3.connect(file) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert verify(audit.entries()) == []


def forged(connection: sqlite3.Connection, statement: str) -> None:
    for one in ("update", "delete", "replace"):
        connection.execute(f"DROP TRIGGER slipway_audit_{one}")
    connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE slipway_audit SET reason = 'other' WHERE sequence = 2", "row 2 was changed"),
        ("DELETE FROM slipway_audit WHERE sequence = 2", "row 2 is missing"),
        ("DELETE FROM slipway_audit WHERE sequence = 1", "row 1 is missing"),
        ("DELETE FROM slipway_audit WHERE sequence = 3", "row 3 is not there"),
        ("DELETE FROM slipway_audit", "row 3 is not there"),
        (
            "INSERT INTO slipway_audit SELECT 4, 'd', at, actor, action, model, version, source, target, reason,"
            " 'f', hash, happened FROM slipway_audit WHERE sequence = 3",
            "row 4 does not follow",
        ),
    ],
)
def test_whoever_gets_around_that_is_found(audit: Audit, file: Path, statement: str, said: str) -> None:
    head = audit.head()
    assert head is not None
    with sqlite3.connect(file) as connection:
        forged(connection, statement)
    connection.close()
    assert any(one.startswith(said) for one in verify(audit.entries(), [head])), verify(audit.entries(), [head])


def test_many_at_once_leave_no_gap_and_no_fork(file: Path) -> None:
    audit = open_audit(f"sqlite:///{file}")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(audit, str(number % 10)), range(40)))
    assert [one.sequence for one in audit.entries()] == list(range(1, 11))
    assert verify(audit.entries()) == []


@pytest.mark.parametrize(
    "secret",
    [
        "https://bot:hunter22@host/x",
        "ghp_abcdefghijklmnop",
        "Authorization: Bearer abcdefghijkl",
        "password=hunter22",
        "AKIAABCDEFGHIJKLMNOP",
    ],
)
def test_a_credential_is_never_stored(file: Path, secret: str) -> None:
    entry = write(open_audit(f"sqlite:///{file}"), "a", f"pushed with {secret} today")
    assert "***" in entry.reason
    assert "hunter22" not in entry.reason
    assert "today" in entry.reason
    assert secret not in file.read_bytes().decode(errors="replace")


def test_a_folder_that_is_none_is_unavailable_and_other_engines_are_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.db").mkdir()
    with pytest.raises(Unavailable, match="audit record"):
        write(open_audit(f"sqlite:///{tmp_path / 'audit.db'}"), "a")
    with pytest.raises(BadInput, match="audit record"):
        open_audit("mysql://host/name")


def test_the_hash_covers_every_column(audit: Audit) -> None:
    first = audit.entries()[0]
    with audit.engine.connect() as connection:
        columns = [one["name"] for one in sa.inspect(connection).get_columns("slipway_audit")]
    change: Callable[[str], object] = lambda name: 9 if name in ("sequence", "version") else "other"  # noqa: E731
    for name in (one for one in columns if one != "hash"):
        changed = AuditEntry(**{**first.__dict__, name: change(name)})
        assert verify([changed]), name


def test_a_record_of_before_is_kept_as_it_is_and_goes_on(audit: Audit, file: Path) -> None:
    with sqlite3.connect(file) as connection:  # as an earlier release made it
        forged(connection, "ALTER TABLE slipway_audit DROP COLUMN happened")
        connection.execute("DELETE FROM slipway_audit")
        connection.execute(
            "INSERT INTO slipway_audit VALUES (1, 'old', '2026-01-01T00:00:00.000000+00:00', 'Ada', 'stage', 'tiny', "
            "1, NULL, NULL, '', ?, ?)",
            ("0" * 64, OLD_HASH),
        )
    connection.close()
    old, new = audit.entries()[0], write(audit, "new")
    assert (old.hash, old.happened, old.when) == (OLD_HASH, None, old.at)
    assert new.sequence == 2
    assert new.happened is not None
    assert verify(audit.entries(), [f"1:{OLD_HASH}"]) == []


def test_what_is_recorded_late_stands_where_it_happened_and_its_time_is_in_the_chain(audit: Audit, file: Path) -> None:
    said: dict[str, Any] = {"actor": "Ada", "action": "approve", "model": "tiny", "reason": ""}
    said |= {"target": None, "source": None}
    audit.record(key="late", version=1, happened="2026-01-01T02:00:00+01:00", **said)
    future = audit.record(key="odd", version=1, happened="9999-12-31T23:59:59-12:00", **said)
    assert [one.key for one in in_time(audit.entries())] == ["late", "a", "b", "c", "odd"]
    assert in_time(audit.entries())[0].when == "2026-01-01T01:00:00.000000+00:00"
    assert future.when <= future.at
    assert verify(audit.entries()) == []
    with sqlite3.connect(file) as connection:
        forged(connection, "UPDATE slipway_audit SET happened = NULL WHERE key = 'late'")
    connection.close()
    assert "row 4 was changed" in verify(audit.entries())[0]

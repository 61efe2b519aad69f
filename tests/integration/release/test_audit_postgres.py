"""The audit record in a real PostgreSQL: one chain, kept by the database, and a step that fails cleanly without it."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace

import psycopg
import pytest

from release.actions.stage import stage
from release.audit.audit import Audit, AuditEntry, open_audit, verify
from slipway.errors import Unavailable
from tests.fixtures.servers import Postgres
from tests.integration.release.conftest import ReleaseBench

OWN_ROWS = "UPDATE slipway_audit SET reason = 'other' WHERE sequence = 2"


def write(audit: Audit, key: str, reason: str = "") -> AuditEntry:
    said = {"actor": "Ada <ada@example.org>", "action": "stage", "model": "tiny", "target": "x", "reason": reason}
    return audit.record(key=key, version=1, source=None, **said)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for one in statements:
            connection.execute(one)


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.new_database()


@pytest.fixture
def audit(url: str) -> Audit:
    made = open_audit(url)
    for key in ("a", "b", "c"):
        write(made, key)
    return made


def append(url: str, first: int) -> None:
    audit = open_audit(url)
    for number in range(first, first + 20):
        write(audit, str(number))


@pytest.mark.parametrize("isolation", ["read committed", "serializable"])
def test_two_writers_at_once_keep_one_chain(url: str, isolation: str) -> None:
    execute(
        url,
        f"ALTER DATABASE {url.partition('?')[0].rpartition('/')[2]} SET default_transaction_isolation TO '{isolation}'",
    )
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append, args=(url, first)) for first in (0, 10)]
    for one in writers:
        one.start()
    for one in writers:
        one.join(60)
    assert [one.exitcode for one in writers] == [0, 0]
    entries = open_audit(url).entries()
    assert [one.sequence for one in entries] == list(range(1, 31))
    assert verify(entries) == []


@pytest.mark.parametrize(
    "statement",
    [OWN_ROWS, "DELETE FROM slipway_audit WHERE sequence = 3", "TRUNCATE slipway_audit"],
)
def test_the_database_refuses_to_change_a_row(audit: Audit, url: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        execute(url, statement)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        execute(url, "SET session_replication_role = replica", statement)
    assert len(audit.entries()) == 3
    assert verify(audit.entries()) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (OWN_ROWS, "row 2 was changed"),
        ("DELETE FROM slipway_audit WHERE sequence = 2", "row 2 is missing"),
        ("DELETE FROM slipway_audit WHERE sequence = 3", "row 3 is not there"),
        ("TRUNCATE slipway_audit", "row 3 is not there"),
    ],
)
def test_what_a_superuser_does_to_a_row_is_found(audit: Audit, url: str, statement: str, said: str) -> None:
    head = audit.head()
    assert verify(audit.entries(), [head]) == []
    execute(url, "ALTER TABLE slipway_audit DISABLE TRIGGER ALL", statement)
    assert any(one.startswith(said) for one in verify(audit.entries(), [head])), verify(audit.entries(), [head])


def test_a_role_that_may_only_read_and_append_is_enough(audit: Audit, url: str) -> None:
    role = url.partition("?")[0].rpartition("/")[2]
    execute(
        url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT ON slipway_audit TO {role}",
    )
    own = url.replace("//postgres:@", f"//{role}:@")
    assert own != url
    assert write(open_audit(own), "d").sequence == 4
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(own, OWN_ROWS)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        execute(own, "ALTER TABLE slipway_audit DISABLE TRIGGER ALL")


def test_text_that_postgresql_does_not_take_is_recorded_without_it(audit: Audit) -> None:
    assert write(audit, "nul", "a\x00b \udce9").reason == "ab ?"
    assert verify(audit.entries()) == []


@pytest.mark.long
def test_without_a_connection_a_step_does_nothing_and_a_lost_one_is_completed_once(
    desk: ReleaseBench, own_postgres: Postgres
) -> None:
    stand = replace(desk, audit=open_audit(own_postgres.new_database()))
    stand.version()
    stand.release(1)
    stand.version()
    before = stand.commits()
    own_postgres.kill()
    with stand.acting() as context, pytest.raises(Unavailable, match="audit record at postgresql"):
        stage(context, "tiny", "2")
    assert stand.commits() == before

    own_postgres.restart()
    pid = own_postgres.master()
    hook = stand.remote / "hooks/post-receive"
    hook.write_text(f"#!/bin/sh\nkill -9 {pid}\n")
    hook.chmod(0o755)
    with stand.acting() as context, pytest.raises(Unavailable, match="run the same command again"):
        stage(context, "tiny", "2", "try it")
    assert stand.commits() == ["Stage tiny 2", *before]

    hook.unlink()
    own_postgres.kill()  # and wait until all of it is gone
    own_postgres.restart()
    with stand.acting() as context:
        assert stage(context, "tiny", "2", "try it").commit is None
        assert stage(context, "tiny", "2").commit is None
    assert stand.commits() == ["Stage tiny 2", *before]
    assert stand.actions() == [("stage", 1), ("promote", 1), ("approve", 1), ("stage", 2)]
    assert stand.audit.entries()[-1].reason == "try it"
    assert verify(stand.audit.entries()) == []

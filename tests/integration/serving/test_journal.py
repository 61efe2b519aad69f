from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.breaker import Breaker
from serving.journal import upkeep
from serving.journal.spool import Spool
from serving.journal.writer import Writer, connect
from slipway.errors import Unavailable
from tests.fixtures.servers import Server, wait_until


def record(name: str, subject: str = "alice", at: int = 1_795_503_249_000_000, **changes: Any) -> bytes:
    content = {
        "id": name, "at": at, "subject": subject, "model": "m", "version": "7", "us": 12,
        "scores": [0.25, 0.5], "input": {"rows": [{"a": 1}, {"a": None}]},
    } | changes  # fmt: skip
    return json.dumps(content).encode()


def ship(folder: Path, url: str, rows: list[bytes]) -> Writer:
    spool = Spool(folder, 1 << 30, 0.01)
    for row in rows:
        spool.append(row)
    pool = connect(url, 1)
    writer = Writer(spool, pool, Breaker("database"))
    writer.start()
    wait_until(lambda: spool.records == 0, what="the spool being shipped")
    writer.stop(5)
    pool.close()
    spool.close()
    return writer


def stored(url: str, query: str = "SELECT subject, request_id FROM predictions ORDER BY 1, 2") -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_each_id_of_a_subject_is_stored_once(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    later = 1_795_503_249_000_000 + 40 * 86_400_000_000  # another month: another partition
    ship(tmp_path / "a", url, [record("1"), record("2"), record("1", version="8"), record("1", subject="bob")])
    ship(tmp_path / "b", url, [record("1", at=later), record("3", at=later)])
    assert stored(url) == [("alice", "1"), ("alice", "2"), ("alice", "3"), ("bob", "1")]
    assert stored(url, "SELECT model_version FROM predictions WHERE request_id = '1'") == [("7",), ("7",)]


def test_columns_are_stored_as_rows_and_the_view_has_one_a_row(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    ship(tmp_path, url, [record("1", input={"columns": {"a": [1, None], "b": ["x", "y"], "c": None}})])
    found = stored(url, "SELECT row, features, score FROM prediction_rows ORDER BY row")
    assert found == [(0, {"a": 1, "b": "x"}, 0.25), (1, {"a": None, "b": "y"}, 0.5)]


def test_a_row_that_cannot_be_stored_is_set_aside_and_blocks_no_other(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    rows = [record(str(i)) for i in range(10)]
    writer = ship(tmp_path, url, [*rows[:5], b'{"id": "bad\\u0000"}', *rows[5:]])
    assert len(stored(url)) == 10
    assert (writer.set_aside, writer.written) == (1, 10)
    assert b"bad" in (tmp_path / "aside").read_bytes()


def test_migrating_twice_does_nothing_the_second_time(new_database: Callable[[], str]) -> None:
    url = new_database()
    before, after = upkeep.migrate(url)
    assert before == after == "0001"


def test_migrating_without_a_database_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="SLIPWAY_DATABASE_URL"):
        upkeep.migrate(f"postgresql:///none?host={tmp_path}")


def test_pruning_drops_whole_months_and_their_ids_and_no_others(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    months = {"sep": 1_788_220_800, "oct": 1_790_812_800, "nov": 1_793_491_200}
    ship(tmp_path, url, [record(name, at=seconds * 1_000_000) for name, seconds in months.items()])
    done = upkeep.prune(url, 2, date(2026, 11, 24))
    assert (done.partitions, done.keys) == (["predictions_2026_09"], 1)
    assert stored(url) == [("alice", "nov"), ("alice", "oct")]
    assert upkeep.prune(url, 2, date(2026, 11, 24)).partitions == []


def test_the_writer_needs_no_right_but_to_insert(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    role = f"writer_{os.getpid()}_{tmp_path.name[-8:]}".replace("-", "_").lower()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT SELECT, INSERT ON predictions, prediction_keys TO {role}")
    ship(tmp_path, url.replace("postgres:@", f"{role}:@").replace("user=postgres", f"user={role}"), [record("1")])
    assert stored(url) == [("alice", "1")]


@pytest.mark.long
def test_redacted_features_are_never_written_down(start: Any, client: Any, golden: Any, database: str) -> None:
    server: Server = start(database_url=database, journal_redact="origin,temp")
    answer = client(server).predict(golden["rows"][:1])
    name = answer.json()["request_id"]
    query = f"SELECT features->0 FROM predictions WHERE request_id = '{name}'"  # noqa: S608 - an id that the server made
    wait_until(lambda: bool(stored(database, query)), what="the prediction reaching the journal")
    features = stored(database, query)[0][0]
    assert "origin" not in features
    assert "temp" not in features
    assert features["carrier"] == golden["rows"][0]["carrier"]

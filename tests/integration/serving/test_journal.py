from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from journal import reader, upkeep
from journal.aside import Aside
from journal.cli import journal as commands
from journal.frames import HEAD
from journal.spool import Spool
from journal.writer import Writer, connect
from slipway.breaker import Breaker
from slipway.errors import Unavailable
from tests.fixtures.servers import Postgres, Server, wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start


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


@pytest.mark.parametrize(
    "number", ["1e-20000", "0e99999999999", "0." + "0" * 20_000 + "1", "1" * 20_000, "1e999999999"]
)
def test_a_row_of_an_older_server_with_a_number_postgresql_refuses_is_repaired(
    tmp_path: Path, new_database: Callable[[], str], number: str
) -> None:
    url = new_database()
    row = record("1").replace(b'{"a": 1}', b'{"a": %b, "b": "x\\u0000\\ud800y"}' % number.encode())
    writer = ship(tmp_path, url, [row, record("2")])
    assert (writer.set_aside, writer.written) == (0, 2)
    features = stored(url, "SELECT features->0 FROM predictions WHERE request_id = '1'")[0][0]
    assert features["b"] == "x\ufffd\ufffdy"
    assert features["a"] in (0, None)


def test_a_row_that_postgresql_refuses_for_its_size_blocks_no_other(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    deep = record("deep").replace(b'{"a": 1}', b"[" * 100_000 + b"]" * 100_000)  # 54001, past the stack
    writer = ship(tmp_path, url, [record("1"), deep, record("2")])
    assert (writer.set_aside, writer.written) == (1, 2)


def test_an_id_with_other_rows_is_stored_as_a_prediction_of_its_own(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    later = 1_795_503_249_000_001
    first, again = record("1", digest="a"), record("1", digest="a", at=later)
    other = record("1", digest="b", at=later, input={"rows": [{"a": 2}]})
    writer = ship(tmp_path / "a", url, [first, again, other])
    assert (writer.written, writer.reused) == (2, 1)
    writer = ship(tmp_path / "b", url, [other, first, record("1", digest="c", at=later + 1), record("1", at=later + 2)])
    assert (writer.written, writer.reused) == (1, 1)  # a row without a digest is the same rows, as it was before
    found = stored(url, "SELECT features->0->'a' FROM predictions ORDER BY requested_at")
    assert found == [(1,), (2,), (1,)]


def test_an_id_of_before_the_digests_stays_taken(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    ship(tmp_path / "a", url, [record("1")])
    assert ship(tmp_path / "b", url, [record("1", digest="a", at=1_795_503_249_000_001)]).written == 0
    assert stored(url) == [("alice", "1")]


def test_a_damaged_segment_is_shipped_around_its_damage_and_kept(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    url = new_database()
    spool = Spool(tmp_path, 1 << 30, 0.01)
    for name in "123":
        spool.append(record(name))
    spool.close()
    path = next(tmp_path.glob("*.spool"))
    content = path.read_bytes().replace(b'"id": "2"', b'"id": "7"')
    path.write_bytes(content)
    ship(tmp_path, url, [record("4")])
    assert stored(url) == [("alice", "1"), ("alice", "3"), ("alice", "4")]
    assert next(tmp_path.glob("*.damaged")).read_bytes() == content


def test_what_was_set_aside_is_listed_and_read_back(
    tmp_path: Path, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database()
    folder = tmp_path / "spool" / "pod-1"
    folder.mkdir(parents=True)
    kept = Aside(folder)
    kept.path.write_bytes(HEAD.pack(len(old := record("old").replace(b": 1}", b": 1e-20000}")), 0) + old)
    kept.add(b"no JSON at all")
    monkeypatch.setenv("SLIPWAY_DATABASE_URL", url)
    asked = ["aside", "--spool", str(tmp_path / "spool")]
    listed = CliRunner().invoke(commands, asked)
    assert "2 row(s), 0 damaged" in listed.output
    assert "  old\n  ?\n" in listed.output
    assert "1 row(s) taken, 1 refused; the file stays" in CliRunner().invoke(commands, [*asked, "--replay"]).output
    assert stored(url) == [("alice", "old")]
    left = json.loads(CliRunner().invoke(commands, [*asked, "--json"]).output)
    assert [(one["rows"], one["ids"]) for one in left] == [(1, ["?"])]


@pytest.mark.long
def test_a_stopped_postgresql_holds_no_lookup_past_its_time(tmp_path: Path, own_postgres: Postgres) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    ship(tmp_path, url, [record("1")])
    pool = connect(url, 2)
    assert reader.find(pool, Breaker("database"), "1", "alice") is not None
    own_postgres.pause()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer in time"):
        reader.find(pool, Breaker("database"), "1", "alice")
    assert time.monotonic() - began < 8
    own_postgres.resume()
    wait_until(lambda: bool(reader.find(pool, Breaker("database"), "1", "alice")), what="the journal answering again")
    pool.close()


def test_an_answer_is_bounded_whatever_is_stored(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    ship(tmp_path, url, [record("1", digest="a").replace(b'{"a": 1}', b",".join([b'{"a": 1e-16000}'] * 1000))])
    pool = connect(url, 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = reader.find(pool, Breaker("database"), "1", "alice")
    pool.close()
    assert found is not None
    assert len(found) < 10_000
    content = json.loads(found)
    assert content["features"] is None
    assert "too large" in content["features_omitted"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_row_of_several_scores_has_them_together(tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    ship(tmp_path, url, [record("one"), record("three", scores=[0.5, 0.25, 0.25, 0.0, 0.75, 0.25])])
    found = stored(url, "SELECT request_id, row, score, scores FROM prediction_rows ORDER BY 1, 2")
    assert found == [
        ("one", 0, 0.25, [0.25]),
        ("one", 1, 0.5, [0.5]),
        ("three", 0, None, [0.5, 0.25, 0.25]),
        ("three", 1, None, [0.0, 0.75, 0.25]),
    ]
    pool = connect(url, 1)
    shown = [json.loads(reader.find(pool, Breaker("database"), name, "alice") or b"") for name in ("one", "three")]
    pool.close()
    assert [one["scores"] for one in shown] == [[0.25, 0.5], [[0.5, 0.25, 0.25], [0.0, 0.75, 0.25]]]


def test_migrating_twice_does_nothing_the_second_time(new_database: Callable[[], str]) -> None:
    url = new_database()
    before, after = upkeep.migrate(url)
    assert before == after == "0003"


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
def test_redacted_features_are_never_written_down(
    start: Start, client: NewClient, golden: Golden, database: str
) -> None:
    server: Server = start(database_url=database, journal_redact="origin,temp")
    answer = client(server).predict(golden["rows"][:1])
    name = answer.json()["request_id"]
    query = f"SELECT features->0 FROM predictions WHERE request_id = '{name}'"  # noqa: S608 - an id that the server made
    wait_until(lambda: bool(stored(database, query)), what="the prediction reaching the journal")
    features = stored(database, query)[0][0]
    assert "origin" not in features
    assert "temp" not in features
    assert features["carrier"] == golden["rows"][0]["carrier"]

"""`slipway drift` on a real PostgreSQL with the journal's own tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from journal.cli import journal as tables
from monitoring.cli import drift as drift_command
from slipway.errors import SlipwayError
from tests.fixtures.servers import Postgres
from tests.integration.monitoring.requests import NOW, ask, asked
from tests.integration.registry import project


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("project")
    project.make(place)
    return place


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> str:
    url = postgres.new_database()
    assert CliRunner().invoke(tables, ["migrate"], env={"SLIPWAY_DATABASE_URL": url}).exit_code == 0
    return url


@pytest.fixture
def journal(migrated: str) -> str:
    with psycopg.connect(migrated) as connection:
        connection.execute("DELETE FROM predictions")
    return migrated


def said(folder: Path, url: str | None, *words: str, code: int) -> str:
    done = CliRunner().invoke(drift_command, ["-C", str(folder), *words], env={"SLIPWAY_DATABASE_URL": url})
    error = done.exception if isinstance(done.exception, SlipwayError) else None
    assert (error.exit_code if error else done.exit_code) == code, done.output
    return done.stdout if error is None else json.dumps(error.as_json())


def drift(folder: Path, url: str | None, *words: str, code: int) -> Any:
    return json.loads(said(folder, url, "--json", *words, code=code))


def test_what_is_asked_as_before_is_no_drift(folder: Path, journal: str) -> None:
    ask(journal, asked(folder))
    ask(journal, [row | {"distance": 1e6} for row in asked(folder)], model="another")
    ask(journal, [row | {"distance": 1e6} for row in asked(folder)], when=NOW - timedelta(days=20))
    found = drift(folder, journal, "tiny", "--since", "7d", code=0)
    assert (found["model"], found["rows"], found["versions"]) == ("tiny", 1500, {"3": 1500})
    assert {one["name"]: one["drifted"] for one in found["columns"]} == {
        "distance": False, "temp": False, "carrier": False, "probability": False,
    }  # fmt: skip


Change = Callable[[dict[str, Any]], dict[str, Any]]
CHANGES: dict[str, Change] = {
    "distance": lambda row: row | {"distance": row["distance"] * 2},
    "temp": lambda row: {key: value for key, value in row.items() if key != "temp"},
    "carrier": lambda row: row | {"carrier": "DL"},
    "probability": lambda row: row | {"score": row["score"] ** 3},
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_change_is_found_in_its_column_alone(column: str, folder: Path, journal: str) -> None:
    ask(journal, [CHANGES[column](row) for row in asked(folder)])
    found = drift(folder, journal, code=4)
    assert [one["name"] for one in found["columns"] if one["drifted"]] == [column]
    if column != "probability":
        drift(folder, journal, "--ignore", column, code=0)


def test_people_read_which_column_and_why(folder: Path, journal: str) -> None:
    ask(journal, [CHANGES["temp"](row) for row in asked(folder)])
    text = said(folder, journal, code=4)
    assert "drift: temp" in text
    assert "100.0%" in text


def test_a_reference_of_another_writer_is_the_same(folder: Path, journal: str, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    file = tmp_path / "copy/data/prepared/test.parquet"
    rows = pq.read_table(file)
    index = rows.column_names.index("row_id")
    pq.write_table(rows.set_column(index, "row_id", rows["row_id"].cast(pa.string())), file)
    ask(journal, asked(folder))
    drift(tmp_path / "copy", journal, code=0)
    pq.write_table(rows.slice(1), file)
    assert "not of the same rows" in drift(tmp_path / "copy", journal, code=3)["thing"]


def test_too_few_rows_are_not_judged(folder: Path, journal: str) -> None:
    ask(journal, asked(folder)[:400])
    assert drift(folder, journal, code=3)["found"] == "400"
    drift(folder, journal, "--minimum-rows", "400", code=0)


def test_what_cannot_be_compared_is_said(folder: Path, journal: str, postgres: Postgres, tmp_path: Path) -> None:
    assert "SLIPWAY_DATABASE_URL" in drift(folder, None, code=3)["thing"]
    assert "dvc pull" in drift(tmp_path, journal, code=3)["next"]
    assert drift(folder, journal, "another", code=3)["found"] == "tiny"
    assert "is not a feature" in drift(folder, journal, "--ignore", "wind", code=3)["thing"]
    assert "cannot parse the time" in drift(folder, journal, "--since", "yesterday", code=3)["thing"]
    assert "empty" in drift(folder, journal, "--since", "2999-01-01", code=3)["thing"]
    assert "migrate" in drift(folder, postgres.url(), code=3)["next"]
    away = drift(folder, "postgresql://nobody:secret@127.0.0.1:1/journal", code=5)
    assert "secret" not in json.dumps(away)

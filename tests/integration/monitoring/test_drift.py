"""`slipway drift` on a real PostgreSQL with the journal's own tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from monitoring.cli import drift as drift_command
from serving.journal.cli import journal as tables
from slipway.errors import SlipwayError
from tests.fixtures.servers import Postgres
from tests.integration.registry import project

NOW = datetime.now(UTC)
INSERT = """
INSERT INTO predictions (request_id, requested_at, subject, model, model_version, features, scores, latency_us)
VALUES (%s, %s, 'tests', %s, '3', %s, %s, 100)
"""


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


@pytest.fixture
def journal(postgres: Postgres) -> str:
    url = postgres.new_database()
    assert CliRunner().invoke(tables, ["migrate"], env={"SLIPWAY_DATABASE_URL": url}).exit_code == 0
    return url


def said(folder: Path, url: str | None, *words: str, code: int) -> str:
    done = CliRunner().invoke(drift_command, ["-C", str(folder), *words], env={"SLIPWAY_DATABASE_URL": url})
    error = done.exception if isinstance(done.exception, SlipwayError) else None
    assert (error.exit_code if error else done.exit_code) == code, done.output
    return done.stdout if error is None else json.dumps(error.as_json())


def drift(folder: Path, url: str | None, *words: str, code: int) -> Any:
    return json.loads(said(folder, url, "--json", *words, code=code))


def ask(url: str, rows: list[dict[str, Any]], model: str = "tiny", when: datetime = NOW, size: int = 10) -> None:
    """Write down requests of `size` rows each, as the server does."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    with psycopg.connect(url) as connection:
        connection.execute("SELECT slipway_ensure_partition(%s)", (when.date(),))
        connection.cursor().executemany(
            INSERT,
            [
                (
                    f"{model}-{when.timestamp()}-{n}",
                    when - timedelta(seconds=1 + n),
                    model,
                    json.dumps([{key: value for key, value in row.items() if key != "score"} for row in batch]),
                    [row["score"] for row in batch],
                )
                for n, batch in enumerate(batches)
            ],
        )


def asked(folder: Path) -> list[dict[str, Any]]:
    """The reference's own rows, which are no drift."""
    rows = pq.read_table(folder / "data/prepared/test.parquet").to_pylist()
    scores = pq.read_table(folder / "reports/predictions.parquet")["probability"].to_pylist()
    names = project.NUMERIC + project.CATEGORICAL
    return [
        {key: row[key] for key in names} | {"score": score}
        for row, score in zip(rows[:1500], scores[:1500], strict=True)
    ]


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


def test_too_few_rows_are_not_judged(folder: Path, journal: str) -> None:
    ask(journal, asked(folder)[:400])
    assert drift(folder, journal, code=3)["found"] == "400"
    drift(folder, journal, "--minimum-rows", "400", code=0)


def test_what_cannot_be_compared_is_said(folder: Path, journal: str, postgres: Postgres, tmp_path: Path) -> None:
    assert "SLIPWAY_DATABASE_URL" in drift(folder, None, code=3)["expected"]
    assert "dvc pull" in drift(tmp_path, journal, code=3)["next"]
    assert drift(folder, journal, "another", code=3)["found"] == "tiny"
    assert "no feature" in drift(folder, journal, "--ignore", "wind", code=3)["thing"]
    assert "no moment" in drift(folder, journal, "--since", "yesterday", code=3)["thing"]
    assert "empty" in drift(folder, journal, "--since", "2999-01-01", code=3)["thing"]
    assert "migrate" in drift(folder, postgres.new_database(), code=3)["next"]
    away = drift(folder, "postgresql://nobody:secret@127.0.0.1:1/journal", code=5)
    assert "secret" not in json.dumps(away)

"""Requests in a journal, as the server writes them down."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq

from tests.integration.registry import project

NOW = datetime.now(UTC)
INSERT = """
INSERT INTO predictions (request_id, requested_at, subject, model, model_version, features, scores, latency_us)
VALUES (%s, %s, 'tests', %s, '3', %s, %s, 100)
"""


def ask(url: str, rows: list[dict[str, Any]], model: str = "tiny", when: datetime = NOW, size: int = 10) -> None:
    """Write down requests of `size` rows each, as the server does."""
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    with psycopg.connect(url) as connection:
        connection.execute("SELECT slipway_ensure_partition(%s)", (when.date(),))
        connection.cursor().executemany(
            INSERT,
            [
                (
                    str(uuid.uuid4()),
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

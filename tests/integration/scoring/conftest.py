"""Rows to score, drawn from the fixture model's own contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MODEL = Path(__file__).parents[2] / "fixtures" / "flight-delay"


@pytest.fixture(scope="session")
def model() -> Path:
    return MODEL


def drawn(rows: int, first: int, *, bad: int = 0) -> pa.Table:
    """Draw rows that fit the contract; the first `bad` of them break it."""
    rng = np.random.default_rng(first)
    arrays: dict[str, Any] = {"row_id": [f"r{first + index}" for index in range(rows)]}
    for feature in json.loads((MODEL / "schema.json").read_text())["features"]:
        name = feature["name"]
        if feature["type"] == "string":
            arrays[name] = rng.choice(feature["categories"], rows)
            continue
        values = rng.uniform(feature["minimum"], feature["maximum"], rows)
        values = np.floor(values).astype(np.int64) if feature["type"] == "integer" else values
        if name == "distance":
            values[:bad] = 99_999
        absent = rng.random(rows) < 0.05 if feature["missing"] == "accept" else None
        arrays[name] = pa.array(values, mask=absent)
    return pa.table(arrays)


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    def write(groups: int, rows: int, *, bad: int = 0, name: str = "in.parquet") -> Path:
        path = tmp_path / name
        with pq.ParquetWriter(path, drawn(rows, 0).schema) as writer:
            for group in range(groups):
                writer.write_table(drawn(rows, group * rows, bad=bad), row_group_size=rows)
        return path

    return write


@pytest.fixture
def command() -> Callable[..., list[str]]:
    return lambda *words: [sys.executable, "-m", "slipway", "score", *map(str, words)]


@pytest.fixture
def score(command: Callable[..., list[str]]) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        wide = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(command(*words), capture_output=True, text=True, check=False, env=wide)

    return run

"""From files to what the gate judges: the rows with every column it needs, and the facts."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from registry.baselines import Baseline, BaselineAdvantage
from registry.candidate import Candidate
from registry.gate import ComparedRows, Evidence, Strings
from registry.inspection import Scored
from slipway import artifact
from slipway.errors import BadInput
from slipway.scores import Floats
from slipway.task import Task


def assemble(candidate: Candidate, scored: Scored) -> Evidence:
    """Bring together what training reported and what the graph answered.

    Raises:
        BadInput: a table lacks a column or is not Parquet.
    """
    metrics = candidate.json("metrics.json")
    baselines = metrics.get("baselines")
    return Evidence(
        rows=_rows(candidate, scored),
        validation=_flag(candidate.json("validation.json").get("success")),
        parity=_flag(candidate.json("parity.json").get("passed")),
        baselines={name: _baseline(found) for name, found in (baselines or {}).items()},
        size_bytes=len(candidate.model[artifact.GRAPH]),
        latency_p99_ms=scored.latency_p99_ms,
    )


def row_ids(candidate: Candidate) -> Strings:
    """Return the test rows' keys in order."""
    return _strings(_table(candidate.rows, "test.parquet"), "row_id")


def _rows(candidate: Candidate, scored: Scored) -> ComparedRows:
    test = _table(candidate.rows, "test.parquet")
    reported = _table(candidate.reports["predictions.parquet"], "predictions.parquet")
    row_id = _strings(test, "row_id")
    same = np.array_equal(_strings(reported, "row_id"), row_id)
    slices = [name for name in reported.column_names if name.startswith("slice_")]
    return ComparedRows(
        row_id=row_id,
        block=_strings(test, "block"),
        target=candidate.task.targets(_column(test, "label").to_numpy()),
        answers=scored.answers,
        reported=_scores(reported, candidate.task) if same else None,
        slices={name.removeprefix("slice_"): _strings(reported, name) for name in slices} if same else {},
        task=candidate.task,
    )


def _scores(reported: pa.Table, task: Task) -> Floats | None:
    column = _column(reported, task.reported)
    values = column.to_numpy() if not task.shape else np.array(column.to_pylist(), dtype=np.float64)
    return values.astype(np.float64) if values.shape == (len(reported), *task.shape) else None


def _table(content: bytes, name: str) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{name} is not a Parquet file", found=str(error)[:200], hint="dvc repro --force") from error


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        found = ", ".join(table.column_names)
        raise BadInput(f"a table lacks the column {name}", expected=name, found=found, hint="dvc repro --force")
    return table[name]


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array([str(value) for value in _column(table, name).to_pylist()], dtype=object)


def _baseline(reported: Any) -> Baseline:
    reported = reported if isinstance(reported, dict) else {}
    gains = reported.get("difference")
    gains = gains if isinstance(gains, dict) else {}
    known = {metric: gain for metric, gain in gains.items() if isinstance(gain, dict)}
    advantages = {
        metric: BaselineAdvantage(_number(gain.get("value")), _number(gain.get("low")))
        for metric, gain in known.items()
    }
    return Baseline(_flag(reported.get("beaten")), advantages)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None

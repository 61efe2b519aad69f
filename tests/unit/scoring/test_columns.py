"""Whole columns are measured by the same rule as one request."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import columns
from serving.input import bounds, faults
from serving.input.rowtypes import LONGEST_STRING
from serving.input.schema import Feature, Inputs, Output, Schema
from slipway.errors import BadInput

CONTRACT = Schema(
    schema_version=1,
    model="m",
    inputs=Inputs(("whole", "real"), ("listed", "free")),
    features=(
        Feature("whole", "integer", "refuse", minimum=0, maximum=100),
        Feature("real", "number", "accept", minimum=-1.5),
        Feature("listed", "string", "refuse", categories=("a", "b")),
        Feature("free", "string", "accept", categories=("x",), unknown="accept"),
    ),
    output=Output("probability"),
)
NUMBERS = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-3, 103).map(float)
WORDS = st.none() | st.sampled_from(["a", "b", "c", "", "x", "y\x00", "é", "z" * 129]) | st.text(max_size=3)
ROWS = st.lists(
    st.fixed_dictionaries({"whole": NUMBERS, "real": NUMBERS, "listed": WORDS, "free": WORDS}), min_size=1, max_size=20
)
TYPES = {"whole": pa.float64(), "real": pa.float64(), "listed": pa.string(), "free": pa.string()}


def batch_of(rows: list[dict[str, object]]) -> pa.RecordBatch:
    arrays = [pa.array([row[name] for row in rows], kind) for name, kind in TYPES.items()]
    return pa.record_batch(arrays, names=list(TYPES))


def api_says_good(row: dict[str, object]) -> bool:
    plain = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
    return not faults.find([plain], CONTRACT.ordered(), LONGEST_STRING)


@settings(deadline=None)
@given(ROWS)
def test_a_row_is_good_here_exactly_when_the_api_takes_it(rows: list[dict[str, object]]) -> None:
    rows = [row | {"listed": _encodable(row["listed"]), "free": _encodable(row["free"])} for row in rows]
    laid = columns.lay_out(batch_of(rows), CONTRACT)
    for row, good in zip(rows, laid.good, strict=True):
        fits_float32 = all(abs(row[n] or 0) <= bounds.LARGEST for n in ("whole", "real") if row[n] == row[n])  # type: ignore[arg-type]
        assert good == (api_says_good(row) and fits_float32), row
        if not good:
            assert columns.reason(row, CONTRACT)


def _encodable(word: object) -> object:
    return word.encode("utf-8", "ignore").decode() if isinstance(word, str) else word


def test_good_rows_reach_the_graph_as_they_are() -> None:
    laid = columns.lay_out(batch_of([{"whole": 7.0, "real": None, "listed": "b", "free": None}]), CONTRACT)
    assert laid.good.tolist() == [True]
    assert laid.numeric[0, 0] == 7
    assert math.isnan(laid.numeric[0, 1])
    assert laid.categorical.tolist() == [["b", ""]]


def test_a_column_that_may_be_missing_may_be_absent() -> None:
    batch = batch_of([{"whole": 1.0, "real": 0.0, "listed": "a", "free": "x"}]).select(["listed", "whole"])
    assert columns.check(batch.schema, CONTRACT, "f") == ("whole", "listed")
    laid = columns.lay_out(batch, CONTRACT)
    assert laid.good.all()
    assert math.isnan(laid.numeric[0, 1])


def test_dictionary_integer_and_null_columns_are_read() -> None:
    table = pa.record_batch(
        [pa.array([1, 101], pa.int8()), pa.array([None, None]), pa.array(["a", "c"]).dictionary_encode()],
        names=["whole", "real", "listed"],
    )
    columns.check(table.schema, CONTRACT, "f")
    assert columns.lay_out(table, CONTRACT).good.tolist() == [True, False]


@pytest.mark.parametrize(
    "schema",
    [
        pa.schema([("whole", pa.int64())]),
        pa.schema([("whole", pa.string()), ("listed", pa.string())]),
        pa.schema([("whole", pa.int64()), ("listed", pa.int64())]),
        pa.schema([("whole", pa.int64()), ("whole", pa.int64()), ("listed", pa.string())]),
        pa.schema([("whole", pa.bool_()), ("listed", pa.string())]),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(schema: pa.Schema) -> None:
    with pytest.raises(BadInput, match=r"column (whole|listed) does not fit"):
        columns.check(schema, CONTRACT, "rows.parquet")


def test_a_number_past_float32_has_a_reason() -> None:
    row = {"whole": 1.0, "real": 1e300, "listed": "a", "free": "x"}
    assert not columns.lay_out(batch_of([row]), CONTRACT).good[0]
    assert columns.reason(row, CONTRACT) == "real: expected number from -1.5 to 3.4e38, or null, found 1e+300"
    assert np.isfinite(bounds.LARGEST)

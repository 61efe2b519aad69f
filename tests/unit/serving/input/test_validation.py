from __future__ import annotations

import copy
import json
import tracemalloc
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from serving.http.problem import Problem
from serving.input.faults import MOST_FAULTS
from serving.input.schema import Schema
from serving.input.tensors import Limits, measure
from serving.input.validation import Reader


@pytest.fixture(scope="module")
def reader(contract: Schema) -> Reader:
    return Reader(contract, max_rows=10)


def body(rows: Any) -> bytes:
    return json.dumps({"rows": rows}).encode()


def refused(reader: Reader, text: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        reader.read(text)
    return caught.value


def test_rows_and_columns_give_the_same_arrays(reader: Reader, rows: list[dict[str, Any]]) -> None:
    by_rows = reader.read(body(rows))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    by_columns = reader.read(json.dumps({"columns": columns}).encode())
    np.testing.assert_array_equal(by_rows.numeric, by_columns.numeric)
    np.testing.assert_array_equal(by_rows.categorical, by_columns.categorical)
    assert by_rows.by_rows
    assert not by_columns.by_rows


def test_numbers_and_strings_go_where_the_schema_says(reader: Reader, contract: Schema, rows: list[Any]) -> None:
    batch = reader.read(body(rows[:1]))
    assert batch.numeric.dtype == np.float32
    expected = [np.float32(rows[0][name]) for name in contract.inputs.numeric]
    np.testing.assert_array_equal(batch.numeric[0], np.array(expected, np.float32))
    assert batch.categorical[0].tolist() == [rows[0][name] for name in contract.inputs.categorical]


@pytest.mark.parametrize("absent", [True, False])
def test_a_missing_value_that_is_accepted_becomes_nan_or_empty(reader: Reader, rows: list[Any], absent: bool) -> None:
    row = dict(rows[0]) | {"temp": None, "dest": None}
    if absent:
        del row["temp"], row["dest"]
    batch = reader.read(body([row]))
    assert np.isnan(batch.numeric[0, 4])
    assert batch.categorical[0, 2] == ""


@pytest.mark.parametrize(
    ("number", "status"),
    [
        ("NaN", 422), ("Infinity", 422), ("-Infinity", 422), ("1e309", 422), ("1" + "0" * 400, 422),
        ("1" + "0" * 9000, 400),  # more digits than Python's reader takes: no JSON of ours
    ],
)  # fmt: skip
def test_numbers_that_are_not_finite_are_refused(reader: Reader, rows: list[Any], number: str, status: int) -> None:
    text = body(rows[:1]).replace(f'"distance": {rows[0]["distance"]}'.encode(), f'"distance": {number}'.encode())
    assert text != body(rows[:1])
    assert refused(reader, text).status == status
    reader.read(body(rows[:1]))


@pytest.mark.parametrize(
    ("change", "field", "found"),
    [
        ({"extra": 1}, "rows[0].extra", "a value"),
        ({"carrier": "ZZ"}, "rows[0].carrier", '"ZZ"'),
        ({"distance": 6001}, "rows[0].distance", "6001"),
        ({"distance": -1}, "rows[0].distance", "-1"),
        ({"distance": 1.5}, "rows[0].distance", "1.5"),
        ({"distance": "12"}, "rows[0].distance", '"12"'),
        ({"distance": True}, "rows[0].distance", "true"),
        ({"distance": None}, "rows[0].distance", "null"),
        ({"temp": 131}, "rows[0].temp", "131"),
        ({"dest": "a\u0000b"}, "rows[0].dest", '"a\\u0000b"'),
        ({"dest": "x" * 129}, "rows[0].dest", '"' + "x" * 59 + "…"),
        ({"dest": "\ud800"}, "rows[0].dest", '"\\ud800"'),
    ],
)
def test_a_broken_contract_names_field_expected_and_found(
    reader: Reader, rows: list[Any], change: dict[str, Any], field: str, found: str
) -> None:
    problem = refused(reader, body([rows[0] | change]))
    assert problem.status == 422
    assert [(f.field, f.found) for f in problem.faults] == [(field, found)]
    assert problem.faults[0].expected


def test_every_fault_of_every_row_is_named(reader: Reader, rows: list[Any]) -> None:
    second = copy.deepcopy(rows[1])
    del second["origin"]
    problem = refused(reader, body([rows[0] | {"distance": -1, "temp": "hot"}, second]))
    assert [f.field for f in problem.faults] == ["rows[0].distance", "rows[0].temp", "rows[1].origin"]
    assert problem.faults[2].found == "nothing"


def test_an_unknown_category_that_is_accepted_passes(reader: Reader, rows: list[Any]) -> None:
    assert reader.read(body([rows[0] | {"dest": "XNA"}])).categorical[0, 2] == "XNA"


@pytest.mark.parametrize("name", ["distance", "temp", "dest"])
def test_a_key_said_twice_is_refused(reader: Reader, rows: list[Any], name: str) -> None:
    value = json.dumps(rows[0][name])
    text = body(rows[:1]).replace(b"}]}", f', "{name}": {value}}}]}}'.encode())
    assert "twice" in refused(reader, text).faults[0].found


def test_a_key_said_twice_hides_behind_no_escape_and_no_null(reader: Reader, rows: list[Any]) -> None:
    row = rows[0] | {"temp": None}
    for spelling in ("d\\u0065st", "temp"):
        text = body([row]).replace(b"}]}", f', "{spelling}": null}}]}}'.encode())
        assert "twice" in refused(reader, text).faults[0].found


@pytest.mark.parametrize("text", [b"", b"{", b"[", b"\xff\xfe", b'{"rows":[}', b"[" * 10_000, b'{"rows":' * 10_000])
def test_what_is_not_json_or_too_deep_is_400(reader: Reader, text: bytes) -> None:
    assert refused(reader, text).status == 400


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"rows": []},
        {"rows": {}},
        {"rows": [1]},
        {"rows": [[]]},
        {"columns": {}},
        {"columns": []},
        {"x": 1},
        None,
    ],
)
def test_other_shapes_are_422(reader: Reader, content: object) -> None:
    assert refused(reader, json.dumps(content).encode()).status == 422


def test_rows_and_columns_together_are_refused(reader: Reader, rows: list[Any]) -> None:
    columns = {name: [value] for name, value in rows[0].items()}
    assert refused(reader, json.dumps({"rows": rows[:1], "columns": columns}).encode()).status == 422


def test_too_many_rows_are_refused(reader: Reader, rows: list[Any]) -> None:
    assert len(reader.read(body((rows * 2)[:10]))) == 10
    assert refused(reader, body((rows * 2)[:11])).faults[0].field == "rows"


def test_columns_of_different_lengths_are_refused(reader: Reader, rows: list[Any]) -> None:
    columns = {name: [row[name] for row in rows[:2]] for name in rows[0]}
    columns["temp"] = columns["temp"][:1]
    assert "lengths" in refused(reader, json.dumps({"columns": columns}).encode()).faults[0].found


@pytest.mark.parametrize("cell", [b"1", b"[]"])
def test_a_column_that_is_too_long_is_refused_before_rows_are_made_of_it(reader: Reader, cell: bytes) -> None:
    text = b'{"columns":{"distance":[%b]}}' % b",".join([cell] * 100_000)
    tracemalloc.start()
    faults = refused(reader, text).faults
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert faults[0].field == "rows"
    assert most < 12 << 20  # a row of each value would take twice as much


def test_of_a_thousand_unknown_fields_a_few_are_named(reader: Reader) -> None:
    found = refused(reader, json.dumps({"rows": [{str(i): 1 for i in range(1000)}]}).encode()).faults
    assert len(found) == MOST_FAULTS


def test_null_is_no_column(reader: Reader, rows: list[Any]) -> None:
    columns: dict[str, Any] = {name: [row[name] for row in rows[:2]] for name in rows[0]}
    columns["temp"] = None
    assert refused(reader, json.dumps({"columns": columns}).encode()).faults[0].field == "columns.temp"


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 7000), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4), st.sampled_from(["AA", "JFK", "BOS", "ZZ"]), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_the_fast_and_the_thorough_reader_agree(
    contract: Schema, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    reader = Reader(contract, max_rows=10)
    row = dict(data.draw(st.sampled_from(rows)))
    for name in data.draw(st.lists(st.sampled_from([*row, "extra"]), max_size=3)):
        row[name] = data.draw(VALUES)
    text = body([row])
    try:
        thorough = reader._thorough(text)  # the word that counts, asked directly
    except Problem as problem:
        expected = problem.body("x")
        found = refused(reader, text).body("x")
        assert found == expected
    else:
        fast = reader.read(text)
        np.testing.assert_array_equal(fast.numeric, thorough.numeric)
        np.testing.assert_array_equal(fast.categorical, thorough.categorical)


@pytest.mark.parametrize("unknown", ["accept", "refuse"])
@pytest.mark.parametrize("missing", ["accept", "refuse"])
@pytest.mark.parametrize("spaced", [False, True])
def test_the_empty_string_is_a_missing_one_in_every_reader(
    contract: Schema, rows: list[dict[str, Any]], unknown: str, missing: str, spaced: bool
) -> None:
    """By rows, by columns, by the thorough reader and by tensors: one verdict."""
    features = tuple(
        msgspec.structs.replace(one, unknown=unknown, missing=missing) if one.name == "carrier" else one
        for one in contract.features
    )
    changed = msgspec.structs.replace(contract, features=features)
    row = rows[0] | {"carrier": ""}
    rowwise = {"rows": [row]}
    columnwise = {"columns": {name: [value] for name, value in row.items()}}
    numeric, strings = ([row[name] for name in names] for names in (changed.inputs.numeric, changed.inputs.categorical))
    tensors = measure(np.array([numeric], np.float32), np.array([strings], object), Limits.of(changed))
    assert bool(tensors) == (missing == "refuse")
    reader = Reader(changed, max_rows=10)
    for text in (json.dumps(each).encode() for each in (rowwise, columnwise)):
        sent = text.replace(b'"carrier"', b'"\\u0063arrier"') if spaced else text  # an escape: the thorough reader
        if missing == "refuse":
            assert refused(reader, sent).faults[0].field.endswith("carrier")
        else:
            assert "" in reader.read(sent).categorical[0].tolist()

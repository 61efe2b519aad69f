from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from journal.record import FEW_ROWS, Documents, repaired, string
from serving.http import trace
from serving.input.schema import Schema


def arrays(rows: list[dict[str, Any]], contract: Schema) -> tuple[np.ndarray, np.ndarray]:
    numeric = [[np.nan if row[n] is None else row[n] for n in contract.inputs.numeric] for row in rows]
    categorical = [[row[n] or "" for n in contract.inputs.categorical] for row in rows]
    return np.array(numeric, np.float32), np.array(categorical, object)


@pytest.mark.parametrize("times", [1, FEW_ROWS * 4])
def test_a_few_rows_are_written_as_rows_and_many_as_columns(
    contract: Schema, rows: list[dict[str, Any]], times: int
) -> None:
    given = (rows[:1] if times == 1 else rows * times) + [dict(rows[0]) | {"temp": None, "dest": None}]
    content = json.loads(Documents(contract.inputs).write(*arrays(given, contract)))
    if times == 1:
        assert content == {"rows": given}
    else:
        assert content == {"columns": {name: [row[name] for row in given] for name in given[0]}}


@pytest.mark.parametrize("count", [1, 40])
def test_redacted_features_are_in_no_form_of_a_row(contract: Schema, rows: list[dict[str, Any]], count: int) -> None:
    text = Documents(contract.inputs, {"temp", "origin"}).write(*arrays(rows[:1] * count, contract))
    assert b'"temp"' not in text
    assert b'"origin"' not in text
    assert b'"dest"' in text


def test_the_text_of_a_number_stays_short_whatever_it_is(contract: Schema, rows: list[dict[str, Any]]) -> None:
    numeric, categorical = arrays(rows[:1], contract)
    for value in (1e-45, 3.4e38, -1e-38, float("inf"), float("nan")):
        numeric[0, 0] = value
        written = json.loads(Documents(contract.inputs).write(numeric, categorical))["rows"][0]
        shown = written[contract.inputs.numeric[0]]
        assert shown is None or np.float32(shown) == np.float32(value)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "é\0", "x\udfff"])
def test_a_string_is_written_as_postgresql_takes_it(value: str) -> None:
    text = json.loads(string(value))
    assert "\ufffd" in text
    assert "\0" not in text
    text.encode()


def test_rows_that_differ_only_in_what_is_left_out_differ_in_their_digest(contract: Schema) -> None:
    assert Documents(contract.inputs, {"temp"}).digest(b"{}", b"[0.1]") != Documents(contract.inputs, {"temp"}).digest(
        b"{}", b"[0.2]"
    )
    assert Documents(contract.inputs).digest(b"{}", b"[0.1]") == Documents(contract.inputs).digest(b"{}", b"[0.2]")


@pytest.mark.parametrize("row", [b"", b"[", b"1", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_object_is_not_repaired(row: bytes) -> None:
    assert repaired(row) is None


@pytest.mark.parametrize("given", [b"short", b"x" * 65, b'a"b\\c', b"\xff\x00", b"y" * 500])
def test_an_id_of_another_form_gets_one_of_ours_and_is_safe_to_repeat(given: bytes) -> None:
    made, kept = trace.request_id(given)
    assert trace.REQUEST_ID.fullmatch(made.encode())
    assert 0 < len(kept) <= trace.LONGEST_GIVEN
    assert json.loads(f'"{kept}"') == kept

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from serving.http.problem import Problem
from serving.input import tensors
from serving.input.schema import Schema


def framed(strings: list[bytes]) -> memoryview:
    return memoryview(b"".join(len(text).to_bytes(4, "little") + text for text in strings))


@given(st.integers(1, 40), st.lists(st.text(max_size=4), min_size=1, max_size=3), st.data())
def test_strings_come_back_whole_however_they_are_cut(rows: int, first: list[str], data: st.DataObject) -> None:
    even = data.draw(st.booleans())
    strings = first * rows if even else data.draw(st.lists(st.text(max_size=4), min_size=rows, max_size=rows))
    width = len(first) if even else 1
    found = tensors.from_binary("categorical", framed([s.encode() for s in strings]), "BYTES", rows, width)
    assert found.tolist() == [strings[at : at + width] for at in range(0, len(strings), width)]


@pytest.mark.parametrize("rows", [2, 32])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: b"\xff\xff\xff\xff" + raw[4:],
        lambda raw: raw[:5] + b"\xff" + raw[6:],
        lambda raw: raw[: len(raw) // 2],
    ],
)
def test_strings_that_do_not_fit_their_lengths_are_refused(rows: int, spoil: Callable[[bytes], bytes]) -> None:
    raw = bytes(framed([b"AA", b"LGA", b"SFO"] * rows))
    with pytest.raises(Problem) as refused:
        tensors.from_binary("categorical", memoryview(spoil(raw)), "BYTES", rows, 3)
    assert refused.value.status == 422


def golden(rows: list[dict[str, Any]], contract: Schema) -> tuple[np.ndarray, np.ndarray]:
    numeric = [[np.nan if row[n] is None else row[n] for n in contract.inputs.numeric] for row in rows]
    categorical = [[row[n] or "" for n in contract.inputs.categorical] for row in rows]
    return np.array(numeric, np.float32), np.array(categorical, object)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.float32(3.4e38), -1e9, np.nan, 0.5])
def test_every_number_is_measured_wherever_it_stands(
    contract: Schema, rows: list[dict[str, Any]], value: float
) -> None:
    numeric, categorical = golden(rows, contract)
    limits = tensors.Limits.of(contract)
    assert tensors.measure(numeric, categorical, limits) == []
    for index, feature in enumerate(contract.ordered()[: numeric.shape[1]]):
        bad = numeric.copy()
        bad[-1, index] = value
        low, high = feature.minimum, feature.maximum
        fits = (low is None or low <= value) and (high is None or value <= high) and np.isfinite(value)
        fits = (
            feature.missing == "accept" if np.isnan(value) else fits and (feature.type != "integer" or value % 1 == 0)
        )
        faults = [fault.field for fault in tensors.measure(bad, categorical, limits)]
        assert faults == ([] if fits else [f"rows[{len(rows) - 1}].{feature.name}"])

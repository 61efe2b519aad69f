"""Columns of a Parquet file, measured by the model's contract and laid out for the graph.

The same rule as the API's, for complete columns at a time: the fast half finds which rows are good,
and `serving.input.faults` names what is wrong with the others. A null and a NaN are a missing value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving.input import bounds, faults
from serving.input.rowtypes import LONGEST_STRING
from serving.input.schema import Feature, Schema
from slipway.errors import BadInput


@dataclass(frozen=True)
class Laid:
    """A batch for the graph; `good` (n,) bool marks which rows may be scored.

    `numeric` (n, k) float32 and `categorical` (n, m) of str hold rubbish in the rows that are not.
    """

    numeric: np.ndarray
    categorical: np.ndarray
    good: np.ndarray


def check(found: pa.Schema, contract: Schema, where: str) -> tuple[str, ...]:
    """Return the names of the features that the file has; its types must fit the contract.

    Raises:
        BadInput: a column that may not be missing is not there, or is of another type.
    """
    if found.names.count("row_id") > 1:
        raise BadInput(
            f"{where}: several columns are called row_id", expected="one", found=str(found.names.count("row_id")),
            hint="rename all but one, then run the same command again",
        )  # fmt: skip
    present = []
    for feature in contract.ordered():
        count = len(found.get_all_field_indices(feature.name))
        if count == 0 and feature.missing == "accept":
            continue
        kind = found.field(feature.name).type if count == 1 else None
        if kind is None or not _fits(kind, feature):
            raise BadInput(
                f"{where}: column {feature.name} does not fit the model's schema.json",
                expected=f"one column of {'strings' if feature.type == 'string' else 'numbers'}",
                found=str(kind) if kind else f"{count} columns; the file has {', '.join(found.names)[:200]}",
                hint="rename or cast the column, then run the same command again",
            )
        present.append(feature.name)
    return tuple(present)


def lay_out(batch: pa.RecordBatch, contract: Schema) -> Laid:
    """Turn a batch of columns into the graph's two matrices."""
    by_name = {feature.name: feature for feature in contract.features}
    good = np.ones(batch.num_rows, bool)
    numeric = np.full((batch.num_rows, len(contract.inputs.numeric)), np.nan, np.float32)
    categorical = np.full((batch.num_rows, len(contract.inputs.categorical)), "", object)
    for index, name in enumerate(contract.inputs.numeric):
        if name in batch.schema.names:
            values = _numbers(batch.column(name))
            good &= _good_numbers(values, by_name[name])
            with np.errstate(over="ignore"):  # such a row is not good
                numeric[:, index] = values
    for index, name in enumerate(contract.inputs.categorical):
        if name in batch.schema.names:
            column, fine = _strings(batch.column(name), by_name[name])
            categorical[:, index] = column
            good &= fine
    return Laid(numeric, categorical, good)


def reason(row: dict[str, Any], contract: Schema) -> str:
    """Say what is wrong with one row that is not good, in the API's words."""
    missing = {name: None if value != value else value for name, value in row.items()}
    found = faults.find([missing], contract.ordered(), LONGEST_STRING)
    if not found:
        return "a number is too large for the model"
    return "; ".join(f"{f.field.removeprefix('rows[0].')}: expected {f.expected}, found {f.found}" for f in found[:3])


def _fits(kind: pa.DataType, feature: Feature) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return feature.missing == "accept"
    if feature.type == "string":
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _numbers(column: pa.Array) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # safe=False: an integer past 2**53 is rounded, as float32 would anyway.
    values: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return values


def _good_numbers(values: np.ndarray, feature: Feature) -> np.ndarray:
    low, high = bounds.of(feature)
    fine = (values >= low) & (values <= high)
    if feature.type == "integer":
        fine &= values == np.trunc(values)
    if feature.missing == "accept":
        fine |= np.isnan(values)
    return np.asarray(fine)


def _strings(column: pa.Array, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
    if pa.types.is_null(column.type):
        return np.full(len(column), "", object), np.ones(len(column), bool)
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    # Each distinct string is looked at once; the last place is that of a missing value.
    words = [*column.dictionary.to_pylist(), None]
    fine = np.array([_good_word(word, feature) for word in words], bool)
    indices = column.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    known = np.array([word or "" for word in words], object)
    return known[indices], fine[indices]


def _good_word(word: str | None, feature: Feature) -> bool:
    return not faults.find([{feature.name: word}], (feature,), LONGEST_STRING)

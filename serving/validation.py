"""A request's rows, measured by the model's contract and laid out for the graph.

Two readers of one rule. The fast one is compiled from the schema and says yes
or no while it parses. Only when it says no, the thorough one reads again and
names every fault: field, expected, found; its word is final.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec.structs import astuple

from serving import faults
from serving.problem import Problem
from serving.schema import Feature, Schema

# A string outside `categories` that the model accepts: long enough for any code, never an essay.
LONGEST_STRING = 128


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows ready for the graph: `numeric` (n, k) float32, `categorical` (n, m) of str.

    `by_rows` says in which of the two forms they came.
    """

    numeric: np.ndarray
    categorical: np.ndarray
    by_rows: bool = True

    def __len__(self) -> int:
        return len(self.numeric)


class Reader:
    """Read `{"rows": [{…}]}` or `{"columns": {…: […]}}` as one model's contract says."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self.schema = schema
        self.max_rows = max_rows
        self._features = schema.ordered()
        self._width = len(schema.inputs.numeric)
        self._decoder = msgspec.json.Decoder(_request_type(self._features, max_rows))
        self._fillable = tuple(f.missing == "accept" for f in self._features)

    def read(self, body: bytes) -> Batch:
        """Turn a request's body into a batch.

        Raises:
            Problem: 400 not JSON, 422 the contract is broken; every fault is named.
        """
        if b"\\" in body or b"\x7f" in body:  # an escape may hide a control character or a key's other spelling
            return self._thorough(body)
        try:
            request = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._thorough(body)
        if request.rows is not msgspec.UNSET and request.columns is msgspec.UNSET:
            return self._from_rows([astuple(row) for row in request.rows], body)
        if request.columns is not msgspec.UNSET and request.rows is msgspec.UNSET:
            return self._from_columns(astuple(request.columns), body)
        return self._thorough(body)

    def _from_rows(self, rows: list[tuple[Any, ...]], body: bytes) -> Batch:
        # No string holds a colon unless a category does: more colons than values may mean a key said twice.
        if body.count(b":") != 1 + len(rows) * len(self._features):
            present = sum(1 for row in rows for value in row if value is not None and value == value)
            if body.count(b":") > 1 + present:
                return self._thorough(body)
        width = self._width
        numbers = [row[:width] for row in rows]
        return Batch(_matrix(numbers, width), _strings([row[width:] for row in rows]))

    def _from_columns(self, columns: tuple[Any, ...], body: bytes) -> Batch:
        lengths = {len(c) for c in columns if c is not None}
        given = sum(c is not None for c in columns)
        if len(lengths) != 1 or body.count(b":") > 2 + given:
            return self._thorough(body)
        count = lengths.pop()
        numeric = np.full((count, self._width), np.nan, np.float32)
        categorical = np.full((count, len(columns) - self._width), "", object)
        for index, column in enumerate(columns):
            if column is None:
                continue
            if index < self._width:
                numeric[:, index] = column
            else:
                categorical[:, index - self._width] = column if None not in column else [c or "" for c in column]
        return Batch(numeric, categorical, by_rows=False)

    def _thorough(self, body: bytes) -> Batch:
        rows = faults.rows(body, self._features, self.max_rows)
        found = faults.find(rows, self._features, LONGEST_STRING)
        if found:
            raise Problem(422, f"{len(found)} fault(s) in {len(rows)} row(s)", kind="invalid-input", faults=found)
        values = [[row.get(f.name) for f in self._features] for row in rows]
        numeric = np.array([row[: self._width] for row in values], np.float32).reshape(len(rows), self._width)
        return Batch(numeric, _strings([tuple(row[self._width :]) for row in values]), _asks_by_rows(body))


def _asks_by_rows(body: bytes) -> bool:
    return "rows" in msgspec.json.decode(body)


def _matrix(rows: list[tuple[Any, ...]], width: int) -> np.ndarray:
    try:
        flat = np.fromiter(itertools.chain.from_iterable(rows), np.float32, len(rows) * width)
    except TypeError:  # a null among them
        return np.array(rows, np.float32).reshape(len(rows), width)
    return flat.reshape(len(rows), width)


def _strings(rows: list[tuple[Any, ...]]) -> np.ndarray:
    table = np.empty((len(rows), len(rows[0])), object)
    table[:] = rows
    if any(None in row for row in rows):
        table[table == None] = ""  # noqa: E711 - element by element
    return table


def _request_type(features: tuple[Feature, ...], max_rows: int) -> Any:
    row = msgspec.defstruct("Row", [_field(f) for f in features], kw_only=True, forbid_unknown_fields=True, gc=False)
    columns = msgspec.defstruct(
        "Columns", [_column(f, max_rows) for f in features], kw_only=True, forbid_unknown_fields=True
    )
    rows = Annotated[list[row], msgspec.Meta(min_length=1, max_length=max_rows)]  # type: ignore[valid-type]
    return msgspec.defstruct(
        "Request",
        [("rows", rows | msgspec.UnsetType, msgspec.UNSET), ("columns", columns | msgspec.UnsetType, msgspec.UNSET)],
        forbid_unknown_fields=True,
    )


def _value(feature: Feature) -> Any:
    if feature.type == "string":
        if feature.unknown == "refuse" and feature.categories:
            return Literal[feature.categories]
        return Annotated[str, msgspec.Meta(max_length=LONGEST_STRING)]
    low, high = feature.minimum, feature.maximum
    if feature.type == "integer":
        whole = msgspec.Meta(ge=None if low is None else int(low), le=None if high is None else int(high))
        return Annotated[int, whole] if low is not None or high is not None else Annotated[int, msgspec.Meta()]
    return Annotated[float, msgspec.Meta(ge=low, le=high)]


def _field(feature: Feature) -> tuple[Any, ...]:
    if feature.missing == "refuse":
        return (feature.name, _value(feature))
    absent = None if feature.type == "string" else float("nan")
    return (feature.name, _value(feature) | None, absent)


def _column(feature: Feature, max_rows: int) -> tuple[Any, ...]:
    length = msgspec.Meta(min_length=1, max_length=max_rows)
    if feature.missing == "refuse":
        return (feature.name, Annotated[list[_value(feature)], length])  # type: ignore[misc]
    return (feature.name, Annotated[list[_value(feature) | None], length] | None, None)  # type: ignore[misc]

"""A request's rows, measured by the model's contract and laid out for the graph.

Two readers of one rule. The fast one is compiled from the schema and decides yes
or no while it parses. Only when it refuses, the thorough one reads again and
names every fault: field, expected, found; its word is final.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from serving.http.problem import Problem
from serving.input import faults, rowtypes
from serving.input.rowtypes import LONGEST_STRING
from serving.input.schema import Schema

UNSET = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows ready for the graph: `numeric` (n, k) float32, `categorical` (n, m) of str.

    `by_rows` is which of the two forms they came in.
    """

    numeric: np.ndarray
    categorical: np.ndarray
    by_rows: bool = True

    def __len__(self) -> int:
        return len(self.numeric)


class Reader:
    """Read `{"rows": [{…}]}` or `{"columns": {…: […]}}` by one model's contract."""

    def __init__(self, schema: Schema, max_rows: int) -> None:
        self.schema = schema
        self.max_rows = max_rows
        self._features = schema.ordered()
        self._width = len(schema.inputs.numeric)
        # Most requests leave nothing out: that is read without a look at each value.
        self._decoder = rowtypes.decoder(self._features, max_rows, all_given=True)
        self._with_gaps = rowtypes.decoder(self._features, max_rows, all_given=False)
        self._colons = [1 + f.name.count(":") for f in self._features]
        self._colons_a_row = sum(self._colons)

    def read(self, body: bytes) -> Batch:
        """Turn a request's body into a batch.

        Raises:
            Problem: 400 not JSON, 422 the contract is broken; every fault is named.
        """
        # An escape may hide a control character or a key's other spelling.
        if self._decoder is None or b"\\" in body or b"\x7f" in body:
            return self._thorough(body)
        request, gaps = self._decoded(body)
        if request is None:
            return self._thorough(body)
        if request.rows is not UNSET and request.columns is UNSET:
            return self._from_rows([astuple(row) for row in request.rows], body, gaps)
        if request.columns is not UNSET and request.rows is UNSET:
            return self._from_columns(astuple(request.columns), body, gaps)
        return self._thorough(body)

    def _decoded(self, body: bytes) -> tuple[Any, bool]:
        """Return the request, None where only the thorough reader can decide, and whether it leaves features out."""
        for decoder in (self._decoder, self._with_gaps):
            try:
                return decoder.decode(body), decoder is self._with_gaps
            except msgspec.ValidationError:
                continue  # a value is wrong or left out
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                break
        return None, False

    def _from_rows(self, rows: list[tuple[Any, ...]], body: bytes, gaps: bool) -> Batch:
        colons = body.count(b":")
        if gaps or colons != 1 + len(rows) * self._colons_a_row:
            if colons != 1 + sum(self._colons_of(row, row) for row in rows):
                return self._thorough(body)  # a key is there twice
            rows = [tuple(None if value is UNSET else value for value in row) for row in rows]
        width = self._width
        numbers = [row[:width] for row in rows]
        return Batch(_matrix(numbers, width), _strings([row[width:] for row in rows]))

    def _colons_of(self, given: tuple[Any, ...], values: Any) -> int:
        """Count the colons that keys and strings account for: one more in the body is a key that is there twice."""
        keys = sum(count for count, value in zip(self._colons, given, strict=True) if value is not UNSET)
        return keys + sum(value.count(":") for value in values if isinstance(value, str))

    def _from_columns(self, columns: tuple[Any, ...], body: bytes, gaps: bool) -> Batch:
        lists = [column for column in columns if column is not UNSET]
        lengths = {len(column) for column in lists}
        if len(lengths) != 1:
            return self._thorough(body)
        colons = body.count(b":") - 1
        if (gaps or colons != self._colons_a_row) and colons != self._colons_of(
            columns, itertools.chain.from_iterable(lists)
        ):
            return self._thorough(body)  # a key is there twice
        count = lengths.pop()
        numeric = np.full((count, self._width), np.nan, np.float32)
        categorical = np.full((count, len(columns) - self._width), "", object)
        for index, column in enumerate(columns):
            if column is UNSET:
                continue
            if index < self._width:
                numeric[:, index] = column
            else:
                categorical[:, index - self._width] = column if None not in column else [c or "" for c in column]
        return Batch(numeric, categorical, by_rows=False)

    def _thorough(self, body: bytes) -> Batch:
        rows, by_rows = faults.rows(body, self._features, self.max_rows)
        found = faults.find(rows, self._features, LONGEST_STRING)
        if found:
            raise Problem(422, f"{len(found)} violation(s) in {len(rows)} row(s)", kind="invalid-input", faults=found)
        values = [[row.get(f.name) for f in self._features] for row in rows]
        numeric = np.array([row[: self._width] for row in values], np.float32).reshape(len(rows), self._width)
        return Batch(numeric, _strings([tuple(row[self._width :]) for row in values]), by_rows)


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

"""Tensors of the Open Inference Protocol: from JSON or binary to arrays, and measured by the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.http.problem import Fault, Problem
from serving.input import bounds, faults
from serving.input.rowtypes import LONGEST_STRING
from serving.input.schema import Feature, Schema

FEW_ROWS = 16
MOST = float(np.finfo(np.float32).max)
NUMBERS = {"FP32": "<f4", "FP64": "<f8"}
ANSWERED = {"f": "FP32", "i": "INT64", "b": "BOOL", "O": "BYTES"}


def fault(field: str, expected: str, found: str) -> Problem:
    """Make a 422 of one fault."""
    detail = f"{field or 'the body'}: expected {expected}"
    return Problem(422, detail, kind="invalid-input", faults=[Fault(field, expected, found)])


def from_json(name: str, data: list[Any] | None, datatype: str, rows: int, width: int) -> np.ndarray:
    """Lay JSON data, flat or nested, out as `(rows, width)`; null is a missing value."""
    if data is None:
        raise fault(name, "data", "nothing")
    flat = [value for row in data for value in row] if data and all(isinstance(r, list) for r in data) else data
    if len(flat) != rows * width:
        raise fault(name, f"{rows * width} values", f"{len(flat)} values")
    kinds: Any = (str, type(None)) if datatype == "BYTES" else (int, float, type(None))
    for value in flat:
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise fault(name, "strings or null" if datatype == "BYTES" else "numbers or null", faults.shown(value))
    if datatype == "BYTES":
        return np.array([value or "" for value in flat], object).reshape(rows, width)
    try:
        return as_single(np.array(flat, np.float64)).reshape(rows, width)
    except OverflowError:
        raise fault(name, "numbers that fit 32 bits", "a number too large") from None


def datatype(values: np.ndarray) -> str:
    """Name the datatype of an answer's array: float32, int64, bool, or str in an array of objects."""
    return ANSWERED[values.dtype.kind]


def to_binary(values: np.ndarray) -> bytes:
    """Write an answer's array as the binary tensor extension has it: little-endian, strings after their lengths."""
    if values.dtype.kind != "O":
        return values.astype(values.dtype.newbyteorder("<")).tobytes()
    encoded = [str(value).encode() for value in values.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def as_single(values: np.ndarray) -> np.ndarray:
    """Round to float32; what is too large becomes infinite, which no contract takes."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def from_binary(name: str, data: memoryview, datatype: str, rows: int, width: int) -> np.ndarray:
    """Lay binary data out as `(rows, width)`: little-endian floats, or strings after their uint32 lengths."""
    if datatype in NUMBERS:
        kind = np.dtype(NUMBERS[datatype])
        if len(data) != rows * width * kind.itemsize:
            raise fault(name, f"{rows * width * kind.itemsize} bytes", f"{len(data)} bytes")
        found = np.frombuffer(data, kind).reshape(rows, width)
        return found if datatype == "FP32" else as_single(found)
    content = bytes(data)
    values = _even_strings(content, rows, width)
    return values if values is not None else _strings(name, content, rows, width)


def _strings(name: str, content: bytes, rows: int, width: int) -> np.ndarray:
    values: list[str] = []
    position, count = 0, rows * width
    while position < len(content) and len(values) < count:
        start = position + 4
        position = start + int.from_bytes(content[position:start], "little")
        try:
            values.append(content[start:position].decode())
        except UnicodeDecodeError:
            raise fault(name, "UTF-8", "other bytes") from None
    if position != len(content) or len(values) != count:
        raise fault(name, f"{count} strings, each after its length", f"{len(values)} strings")
    return np.array(values, object).reshape(rows, width)


def _even_strings(content: bytes, rows: int, width: int) -> np.ndarray | None:
    """Cut rows whose strings are as long as the first row's, all at once; None where they are not.

    A category mostly has codes of one length, and a string at a time costs as much as the model.
    """
    if rows < FEW_ROWS or len(content) % rows or not content.isascii():
        return None
    table = np.frombuffer(content, np.uint8).reshape(rows, -1)
    found = np.empty((rows, width), object)
    position = 0
    for index in range(width):
        heads = table[:, position : position + 4]
        start = position + 4
        position = start + int.from_bytes(heads[0].tobytes(), "little")
        if position > table.shape[1] or (heads != heads[0]).any():
            return None
        length, text = position - start, table[:, start:position].tobytes().decode("ascii")
        if "\0" in text:  # numpy's strings end at the first
            return None
        found[:, index] = np.frombuffer(text.encode("utf-32-le"), f"<U{length}").tolist() if length else ""
    return found if position == table.shape[1] else None


@dataclass(frozen=True)
class Limits:
    """A contract's bounds in the graph's order, as arrays: worked out once, held against every request."""

    numeric: tuple[Feature, ...]
    categorical: tuple[Feature, ...]
    low: np.ndarray
    high: np.ndarray
    may_miss: np.ndarray
    integers: tuple[int, ...]

    @classmethod
    def of(cls, schema: Schema) -> Limits:
        """Read them from a contract."""
        features, width = schema.ordered(), len(schema.inputs.numeric)
        numbers = features[:width]
        return cls(
            numbers,
            features[width:],
            np.array([bounds.single(f.minimum, -MOST) for f in numbers], np.float32),
            np.array([bounds.single(f.maximum, MOST) for f in numbers], np.float32),
            np.array([f.missing != "refuse" for f in numbers], bool),
            tuple(index for index, f in enumerate(numbers) if f.type == "integer"),
        )

    def all_fit(self, numeric: np.ndarray) -> bool:
        """Look at all numbers at once: whether no feature needs a closer look."""
        fits = (numeric >= self.low) & (numeric <= self.high) | np.isnan(numeric) & self.may_miss
        integers = numeric[:, self.integers]
        return bool(fits.all()) and bool(((integers == np.floor(integers)) | np.isnan(integers)).all())


def measure(numeric: np.ndarray, categorical: np.ndarray, limits: Limits) -> list[Fault]:
    """Return the violations of complete columns, at most one a feature: NaN and the empty string are missing."""
    found: list[Fault] = []
    for index, feature in enumerate(() if limits.all_fit(numeric) else limits.numeric):
        if (position := _bad_number(numeric[:, index], feature)) is not None:
            found.append(_at(position, feature, str(numeric[position, index])))
    for index, feature in enumerate(limits.categorical):
        if (position := _bad_string(categorical[:, index], feature)) is not None:
            found.append(_at(position, feature, faults.shown(categorical[position, index])))
    return found


def _at(row: int, feature: Feature, shown: str) -> Fault:
    return Fault(f"rows[{row}].{feature.name}", faults.expected(feature), shown)


def _bad_number(column: np.ndarray, feature: Feature) -> int | None:
    missing = np.isnan(column)
    bad = np.isinf(column)
    if feature.missing == "refuse":
        bad |= missing
    if feature.minimum is not None:
        bad |= column < bounds.single(feature.minimum, -MOST)
    if feature.maximum is not None:
        bad |= column > bounds.single(feature.maximum, MOST)
    if feature.type == "integer":
        bad |= ~missing & (column != np.floor(column))
    return int(np.argmax(bad)) if bad.any() else None


def _bad_string(column: np.ndarray, feature: Feature) -> int | None:
    for value in set(column.tolist()):
        missing = value == ""
        if not (feature.missing == "accept" if missing else faults.good_string(value, feature, LONGEST_STRING)):
            return int(np.argmax(column == value))
    return None

"""Tensors of the Open Inference Protocol: from JSON or binary to arrays, and measured by the contract."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from serving import faults
from serving.problem import Fault, Problem
from serving.schema import Feature, Schema
from serving.validation import LONGEST_STRING


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
        return np.array(flat, np.float32).reshape(rows, width)
    except OverflowError:
        raise fault(name, "numbers that fit 32 bits", "a number too large") from None


def from_binary(name: str, data: memoryview, datatype: str, rows: int, width: int) -> np.ndarray:
    """Lay binary data out as `(rows, width)`: little-endian float32, or strings after their uint32 lengths."""
    if datatype == "FP32":
        if len(data) != rows * width * 4:
            raise fault(name, f"{rows * width * 4} bytes", f"{len(data)} bytes")
        return np.frombuffer(data, "<f4").reshape(rows, width)
    values: list[str] = []
    position, content = 0, bytes(data)
    while position < len(content) and len(values) < rows * width:
        start = position + 4
        position = start + int.from_bytes(content[position:start], "little")
        try:
            values.append(content[start:position].decode())
        except UnicodeDecodeError:
            raise fault(name, "UTF-8", "other bytes") from None
    if position != len(content) or len(values) != rows * width:
        raise fault(name, f"{rows * width} strings, each after its length", f"{len(values)} strings")
    return np.array(values, object).reshape(rows, width)


def measure(numeric: np.ndarray, categorical: np.ndarray, schema: Schema) -> list[Fault]:
    """Return the faults of whole columns, at most one a feature: NaN and the empty string are missing."""
    found: list[Fault] = []
    width = len(schema.inputs.numeric)
    for index, feature in enumerate(schema.ordered()):
        if index < width:
            position = _bad_number(numeric[:, index], feature)
        else:
            position = _bad_string(categorical[:, index - width], feature)
        if position is not None:
            value: Any = numeric[position, index] if index < width else categorical[position, index - width]
            shown = str(value) if index < width else faults.shown(value)
            found.append(Fault(f"rows[{position}].{feature.name}", faults.expected(feature), shown))
    return found


def document(numeric: np.ndarray, categorical: np.ndarray, schema: Schema) -> bytes:
    """Write arrays as the `{"rows": [...]}` that /predict takes, for the journal."""
    names = schema.inputs.numeric + schema.inputs.categorical
    numbers = [[None if v != v else v for v in row] for row in numeric.tolist()]
    strings = [[v or None for v in row] for row in categorical.tolist()]
    rows = [dict(zip(names, a + b, strict=True)) for a, b in zip(numbers, strings, strict=True)]
    return msgspec.json.encode({"rows": rows})


def _bad_number(column: np.ndarray, feature: Feature) -> int | None:
    missing = np.isnan(column)
    bad = np.isinf(column)
    if feature.missing == "refuse":
        bad |= missing
    if feature.minimum is not None:
        bad |= column < np.float32(feature.minimum)
    if feature.maximum is not None:
        bad |= column > np.float32(feature.maximum)
    if feature.type == "integer":
        bad |= ~missing & (column != np.floor(column))
    return int(np.argmax(bad)) if bad.any() else None


def _bad_string(column: np.ndarray, feature: Feature) -> int | None:
    for value in set(column.tolist()):
        missing = value == ""
        if not (feature.missing == "accept" if missing else faults.good_string(value, feature, LONGEST_STRING)):
            return int(np.argmax(column == value))
    return None

"""A journal row as JSON that PostgreSQL takes: what the model was given, in its own numbers.

Numbers are written from the arrays that the model got, never from a caller's
text: shortest float32, at most 54 characters once PostgreSQL has expanded it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import orjson

FEW_ROWS = 16
# PostgreSQL's jsonb holds no U+0000, and UTF-8 no lone surrogate.
REPLACED = dict.fromkeys([0, *range(0xD800, 0xE000)], "\ufffd")


class InputNames(Protocol):
    """Names of a model's inputs, in the graph's order."""

    @property
    def numeric(self) -> Sequence[str]: ...
    @property
    def categorical(self) -> Sequence[str]: ...


class Documents:
    """Writes batches of one model as `{"rows": […]}` or `{"columns": {…}}`, without the redacted features."""

    def __init__(self, inputs: InputNames, redacted: Collection[str] = ()) -> None:
        numeric, categorical = inputs.numeric, inputs.categorical
        self._redacted = bool(redacted)
        self._numbers = [i for i, name in enumerate(numeric) if name not in redacted]
        self._strings = [i for i, name in enumerate(categorical) if name not in redacted]
        names = [numeric[i] for i in self._numbers] + [categorical[i] for i in self._strings]
        self._names = [string(name).decode() for name in names]
        pairs = ",".join(name.replace("%", "%%") + ":%b" for name in self._names)
        self._row = ("{" + pairs + "}").encode()

    def write(self, numeric: np.ndarray, categorical: np.ndarray) -> bytes:
        """Write `(n, k) float32` and `(n, m)` strings; NaN and the empty string are null."""
        if self._redacted:
            numeric, categorical = numeric[:, self._numbers], categorical[:, self._strings]
        return self._rows(numeric, categorical) if len(numeric) <= FEW_ROWS else self._columns(numeric, categorical)

    def digest(self, document: bytes, scores: bytes) -> bytes:
        """Tell batches apart that came under one id: 32 hexadecimal digits.

        Where features are left out, batches that differ only there have other scores.
        """
        named = document + scores if self._redacted else document
        return hashlib.blake2b(named, digest_size=16).hexdigest().encode()

    def _rows(self, numeric: np.ndarray, categorical: np.ndarray) -> bytes:
        numbers, width = _numbers(numeric), numeric.shape[1]
        rows = [
            self._row % (*numbers[i * width : (i + 1) * width], *[string(v) if v else b"null" for v in values])
            for i, values in enumerate(categorical.tolist())
        ]
        return b'{"rows":[%b]}' % b",".join(rows)

    def _columns(self, numeric: np.ndarray, categorical: np.ndarray) -> bytes:
        written = [b"[%b]" % b",".join(_numbers(column)) for column in numeric.T]
        for values in categorical.T.tolist():
            text = {value: string(value) if value else b"null" for value in set(values)}
            written.append(b"[%b]" % b",".join([text[value] for value in values]))
        pairs = [b"%b:%b" % (name.encode(), column) for name, column in zip(self._names, written, strict=True)]
        return b'{"columns":{%b}}' % b",".join(pairs)


def string(value: str) -> bytes:
    """Write a string as JSON that PostgreSQL takes, whatever is in it."""
    if value.isascii() and "\0" not in value:
        return msgspec.json.encode(value)
    return msgspec.json.encode(value.translate(REPLACED))


def repaired(row: bytes) -> bytes | None:
    """Write a row again with float64 numbers and text that PostgreSQL takes; None when it is not a JSON object.

    For rows that older servers wrote with the caller's own spelling of numbers.
    """
    try:
        content = json.loads(row, parse_int=_number, parse_float=_number)
        return msgspec.json.encode(_safe(content)) if isinstance(content, dict) else None
    except (ValueError, RecursionError):
        return None


def _numbers(values: np.ndarray) -> list[bytes]:
    if not values.size:
        return []
    flat = np.ascontiguousarray(values, np.float32).ravel()
    return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def _number(text: str) -> int | float | None:
    if len(text) <= 18 and text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(REPLACED)
    if isinstance(value, list):
        return [_safe(item) for item in value]
    if isinstance(value, dict):
        return {_safe(name): _safe(item) for name, item in value.items()}
    return value

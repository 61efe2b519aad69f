"""A task's answer as columns of the result: numbers, labels, and a struct of numbers where there is one a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from slipway.task import Scores, Task


def columns(task: Task) -> dict[str, pa.DataType]:
    """Return the columns of the answer with their types, float32 where a number is a model's."""
    return {name: _kind(kind) for name, kind in task.properties("").items()}


def laid(task: Task, scores: Scores, without: npt.NDArray[np.bool_]) -> list[pa.Array]:
    """Lay the answer out, null in the rows that are `without` one, `(n,) bool`."""
    kinds, answer = columns(task), task.columns(np.where(np.isfinite(scores), scores, np.float32(0)))
    return [_array(answer[name], kind, without) for name, kind in kinds.items()]


def _kind(described: dict[str, Any]) -> pa.DataType:
    if described.get("type") == "object":
        return pa.struct({name: _kind(field) for name, field in described["properties"].items()})
    return {"number": pa.float32(), "integer": pa.int64(), "boolean": pa.bool_()}.get(
        described.get("type", "string"), pa.string()
    )


def _array(values: Any, kind: pa.DataType, without: npt.NDArray[np.bool_]) -> pa.Array:
    if pa.types.is_struct(kind):
        fields = [pa.array(np.array(values[kind.field(place).name], np.float32)) for place in range(kind.num_fields)]
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, names, mask=pa.array(without))
    if pa.types.is_floating(kind):
        return pa.array(np.array(values, np.float32), kind, mask=without)
    if pa.types.is_string(kind):
        values = [str(value) for value in values]
    return pa.array(np.array(values, object), kind, mask=without)

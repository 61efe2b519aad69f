"""What a model was judged on, column by column: test.parquet, predictions.parquet and schema.json of one folder.

The files and their columns are those of docs/reference/artifact.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.bins import Bins, Counts, categories, numbers
from slipway import artifact, tasks
from slipway.errors import BadInput
from slipway.task import Task, watched_name

if TYPE_CHECKING:
    import pyarrow as pa

FILES = (f"model/{artifact.SCHEMA}", "data/prepared/test.parquet", "reports/predictions.parquet")


@dataclass(frozen=True)
class BinnedColumn:
    """One feature or the score: how it is counted, and its counts by block, `(n_blocks, n_bins)` in order."""

    name: str
    bins: Bins
    by_block: Counts


@dataclass(frozen=True)
class DriftReference:
    """Every feature's column, then those of the answer, `answered` by the name that the task gives them."""

    model: str
    rows: int
    columns: tuple[BinnedColumn, ...]
    task: Task
    answered: dict[str, str]


def _refuse_missing(folder: Path) -> None:
    missing = [name for name in FILES if not (folder / name).exists()]
    if missing:
        raise BadInput(
            f"{folder} does not hold what the model was judged on",
            expected=", ".join(FILES),
            found=f"no {', '.join(missing)}",
            hint=f"dvc pull {' '.join(missing)}",
        )


def read(folder: Path, model: str | None = None) -> DriftReference:
    """Read the reference below `folder`, which is of `model` where one is named.

    Raises:
        BadInput: a file is missing, or is not of the model or the rows of the others.
    """
    _refuse_missing(folder)
    import pyarrow.parquet as pq

    schema = json.loads((folder / FILES[0]).read_text())
    if model is not None and model != schema["model"]:
        raise BadInput(
            f"{folder} is not the folder of {model}",
            found=schema["model"],
            hint="slipway drift NAME -C FOLDER, with its folder",
        )
    task = tasks.read(schema.get("task"), schema["output"]["name"])
    features = pq.read_table(folder / FILES[1])
    scores = pq.read_table(folder / FILES[2], columns=["row_id", task.reported])
    if not np.array_equal(features["row_id"].to_numpy(), scores["row_id"].to_numpy()):  # of any kind of string
        raise BadInput(
            f"{FILES[1]} and {FILES[2]} are not of the same rows",
            expected="the same row_id in the same order",
            hint="dvc repro",
        )
    _, block = np.unique(features["block"].to_numpy(), return_inverse=True)
    columns = [_column(features, name, block, text=False) for name in schema["inputs"].get("numeric", [])]
    columns += [_column(features, name, block, text=True) for name in schema["inputs"].get("categorical", [])]
    watched = task.watched(_scores(scores, task))
    names = {name: watched_name(name, [column.name for column in columns]) for name in watched}
    answer = [_watched(names[name], values, name in task.edges, block) for name, values in watched.items()]
    return DriftReference(schema["model"], len(features), (*columns, *answer), task, names)


def _scores(table: pa.Table, task: Task) -> Any:
    column = table[task.reported]
    return column.to_numpy() if not task.shape else np.array(column.to_pylist(), np.float32)


def _watched(name: str, values: Any, number: bool, block: Any) -> BinnedColumn:
    if not number:
        return _counted(name, categories(values), values, block)
    values = values.astype(np.float64)
    return _counted(name, numbers(values), values, block)


def _column(table: pa.Table, name: str, block: Any, *, text: bool) -> BinnedColumn:
    if name not in table.column_names:
        raise BadInput(f"{FILES[1]} has no column {name}", expected="the features of schema.json", hint="dvc repro")
    if text:
        words = np.asarray(table[name].to_pylist(), dtype=object)
        return _counted(name, categories(words), words, block)
    values = table[name].to_numpy().astype(np.float64)
    return _counted(name, numbers(values), values, block)


def _counted(name: str, bins: Bins, values: Any, block: Any) -> BinnedColumn:
    cells = np.bincount(block * bins.size + bins.places(values), minlength=(int(block.max()) + 1) * bins.size)
    return BinnedColumn(name, bins, cells.astype(np.int64).reshape(-1, bins.size))

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
from slipway.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

FILES = ("model/schema.json", "data/prepared/test.parquet", "reports/predictions.parquet")
SCORE = "probability"


@dataclass(frozen=True)
class BinnedColumn:
    """One feature or the score: how it is counted, and its counts by block, `(n_blocks, n_bins)` in order."""

    name: str
    bins: Bins
    by_block: Counts


@dataclass(frozen=True)
class Reference:
    """Every feature's column and the score's, which is the last."""

    model: str
    rows: int
    columns: tuple[BinnedColumn, ...]


def read(folder: Path, model: str | None = None) -> Reference:
    """Read the reference below `folder`, which is of `model` where one is named.

    Raises:
        BadInput: a file is missing, or is not of the model or the rows of the others.
    """
    missing = [name for name in FILES if not (folder / name).exists()]
    if missing:
        raise BadInput(
            f"{folder} does not hold what the model was judged on",
            expected=", ".join(FILES),
            found=f"no {', '.join(missing)}",
            hint=f"dvc pull {' '.join(missing)}",
        )
    import pyarrow.parquet as pq

    schema = json.loads((folder / FILES[0]).read_text())
    if model is not None and model != schema["model"]:
        raise BadInput(f"{folder} is not the folder of {model}", found=schema["model"], hint="-C FOLDER")
    features, scores = pq.read_table(folder / FILES[1]), pq.read_table(folder / FILES[2], columns=["row_id", SCORE])
    if not np.array_equal(features["row_id"].to_numpy(), scores["row_id"].to_numpy()):  # of any kind of string
        raise BadInput(f"{FILES[1]} and {FILES[2]} are not of the same rows", hint="dvc repro")
    _, block = np.unique(features["block"].to_numpy(), return_inverse=True)
    columns = [_column(features, name, block, text=False) for name in schema["inputs"].get("numeric", [])]
    columns += [_column(features, name, block, text=True) for name in schema["inputs"].get("categorical", [])]
    return Reference(schema["model"], len(features), (*columns, _column(scores, SCORE, block, text=False)))


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

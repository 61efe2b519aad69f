"""The input contract (schema.json) and the golden rows, as docs/reference/artifact.md describes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.task import Task
from training import problem
from training.features import CATEGORICAL, FEATURES, NUMERIC, Feature
from training.graph import BINARY
from training.params import Params

GOLDEN_ROWS = 16
# schema.json is read at every start, shown on a page and counted by category in the metrics.
MOST_CATEGORIES = 1000
PROBABILITY = {"name": "probability", "type": "number", "unit": "fraction", "minimum": 0, "maximum": 1}


def contract(params: Params, train: pd.DataFrame, task: Task = BINARY) -> dict[str, Any]:
    """Describe what the model takes and gives; categories are those seen in training.

    A task that has nothing to describe is version 1 of the format, which has no task.
    """
    words = problem.words(params.prepare)
    described = task.described()
    return {
        "schema_version": 1 if described is None else 2,
        "model": params.model.name,
        **({} if described is None else {"task": described}),
        "inputs": {"numeric": [f.name for f in NUMERIC], "categorical": [f.name for f in CATEGORICAL]},
        "features": [_feature(feature, train[feature.name]) for feature in FEATURES],
        "output": (PROBABILITY if described is None else {"name": task.reported}) | words["output"],
        "target": words["target"],
    }


def warnings(described: dict[str, Any]) -> list[str]:
    """Name the columns that look like text rather than categories, for people."""
    return [
        f"`{feature['name']}` has {MOST_CATEGORIES + feature['categories_left_out']:,} categories; schema.json lists "
        f"the {MOST_CATEGORIES:,} most frequent. Is it a category? If not, leave it out or group it in prepare"
        for feature in described["features"]
        if "categories_left_out" in feature
    ]


def golden(rows: pd.DataFrame, scores: np.ndarray, task: Task = BINARY) -> dict[str, Any]:
    """Pair real rows, by feature name with null for missing, with what the ONNX model gives them."""
    kinds = {feature.name: feature.type for feature in FEATURES}
    records = rows[list(kinds)].to_dict(orient="records")
    return {
        "rows": [{name: _plain(value, kinds[str(name)]) for name, value in record.items()} for record in records],
        task.golden: scores.tolist(),
    }


def golden_positions(rows: int) -> list[int]:
    """Choose rows spread evenly over `rows`."""
    return sorted({int(position) for position in np.linspace(0, rows - 1, GOLDEN_ROWS)})


def _feature(feature: Feature, seen: pd.Series[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": feature.name,
        "type": feature.type,
        "unit": feature.unit,
        "description": feature.description,
        "known": feature.known.value,
    }
    if feature.type == "string":
        # A new category is news, not an error: the graph has a code for it.
        listed, left_out = _categories(seen)
        return described | {
            "categories": listed,
            **({"categories_left_out": left_out} if left_out else {}),
            "unknown": "accept",
            "missing": feature.missing,
        }
    return described | {"minimum": feature.minimum, "maximum": feature.maximum, "missing": feature.missing}


def _categories(seen: pd.Series[Any]) -> tuple[list[str], int]:
    """List the categories in order, the most frequent where there are many, and count those left out."""
    counts = seen.dropna().astype("str").value_counts()
    counts = counts[counts.index != ""]  # the empty string is a missing value
    listed = sorted(counts.index, key=lambda name: (-counts[name], name))[:MOST_CATEGORIES]
    return sorted(listed), len(counts) - len(listed)


def _plain(value: Any, kind: str) -> Any:
    if pd.isna(value) or value == "":
        return None
    return str(value) if kind == "string" else int(value) if kind == "integer" else float(value)

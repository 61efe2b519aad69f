"""The input contract (schema.json) and the golden rows, as docs/reference/artifact.md describes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from training import problem
from training.features import CATEGORICAL, FEATURES, NUMERIC, Feature
from training.params import Params

GOLDEN_ROWS = 16


def contract(params: Params, train: pd.DataFrame) -> dict[str, Any]:
    """Describe what the model takes and gives; categories are those seen in training."""
    words = problem.words(params.prepare)
    return {
        "schema_version": 1,
        "model": params.model.name,
        "inputs": {"numeric": [f.name for f in NUMERIC], "categorical": [f.name for f in CATEGORICAL]},
        "features": [_feature(feature, train[feature.name]) for feature in FEATURES],
        "output": {
            "name": "probability",
            "type": "number",
            "unit": "fraction",
            "minimum": 0,
            "maximum": 1,
        }
        | words["output"],
        "target": words["target"],
    }


def golden(rows: pd.DataFrame, probabilities: np.ndarray) -> dict[str, Any]:
    """Pair real rows, by feature name with null for missing, with what the ONNX model gives them."""
    kinds = {feature.name: feature.type for feature in FEATURES}
    records = rows[list(kinds)].to_dict(orient="records")
    return {
        "rows": [{name: _plain(value, kinds[str(name)]) for name, value in record.items()} for record in records],
        "probabilities": [float(p) for p in probabilities],
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
        return described | {
            "categories": sorted(seen.dropna().unique()),
            "unknown": "accept",
            "missing": feature.missing,
        }
    return described | {"minimum": feature.minimum, "maximum": feature.maximum, "missing": feature.missing}


def _plain(value: Any, kind: str) -> Any:
    if pd.isna(value):
        return None
    return str(value) if kind == "string" else int(value) if kind == "integer" else float(value)

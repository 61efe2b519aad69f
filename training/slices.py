"""How good the model is in each slice of the rows: a mean hides who it fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.scores import log_losses, resample, scores
from training import problem
from training.layout import LABEL

# A row without a value is a slice like any other: it may be the one that the model fails.
MISSING = "missing"


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the slice of each row as text, a column a dimension."""
    found = problem.slices(rows)
    return pd.DataFrame({str(name): _text(found[name]) for name in found.columns}, index=found.index)


def table(rows: pd.DataFrame, probability: np.ndarray) -> list[dict[str, Any]]:
    """Measure every slice: counts, ROC AUC (null where one class), log loss, mean prediction and rate."""
    label = rows[LABEL].to_numpy(np.float64)
    measured = []
    for dimension, names in named(rows).items():
        for name in sorted(names.unique()):
            chosen = (names == name).to_numpy()
            measured.append({"dimension": dimension, "slice": name, **_measure(label[chosen], probability[chosen])})
    return measured


def _text(values: pd.Series[Any]) -> pd.Series[str]:
    missing = values.isna().to_numpy()
    return pd.Series(np.where(missing, MISSING, values.astype(object).map(str)), index=values.index, dtype="str")


def _measure(label: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    area = scores(label, probability, resample(np.zeros(len(label)), 0, seed=0))["roc_auc"][0]
    return {
        "rows": len(label),
        "positives": int(label.sum()),
        "roc_auc": None if np.isnan(area) else float(area),
        "log_loss": float(log_losses(label, probability).mean()),
        "mean_probability": float(probability.mean()),
        "rate": float(label.mean()),
    }

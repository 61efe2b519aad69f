"""How good the model is in each slice of the rows: a mean hides who it fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.scores import log_losses, resample, scores
from training import problem
from training.layout import LABEL


def table(rows: pd.DataFrame, probability: np.ndarray) -> list[dict[str, Any]]:
    """Measure every slice: counts, ROC AUC (null where one class), log loss, mean prediction and rate."""
    label = rows[LABEL].to_numpy(np.float64)
    measured = []
    for dimension, names in problem.slices(rows).items():
        for name in sorted(names.unique()):
            chosen = (names == name).to_numpy()
            measured.append({"dimension": dimension, "slice": name, **_measure(label[chosen], probability[chosen])})
    return measured


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

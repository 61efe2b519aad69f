"""The points behind the pictures: curves, confusion, calibration, scatter, permutation importance.

Written for `dvc plots` and drawn in the report; thinned, so that a picture of
fifty thousand rows is a few hundred points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_curve

from slipway.scores import calibration_bins
from training.layout import LABEL
from training.pipeline import CATEGORICAL, NUMERIC

POINTS = 200
SCATTERED = 1000
IMPORTANCE_ROWS = 10_000
IMPORTANCE_REPEATS = 5
Points = list[dict[str, Any]]


def roc(label: np.ndarray, named: dict[str, np.ndarray]) -> Points:
    """Give false and true positive rates by model."""
    points: Points = []
    for model, probability in named.items():
        false, true, _ = roc_curve(label, probability)
        points += _thin({"false_positive_rate": false, "true_positive_rate": true}, model)
    return points


def precision_recall(label: np.ndarray, named: dict[str, np.ndarray]) -> Points:
    """Give precision and recall by model."""
    points: Points = []
    for model, probability in named.items():
        precision, recall, _ = precision_recall_curve(label, probability)
        points += _thin({"recall": recall, "precision": precision}, model)
    return points


def calibration(label: np.ndarray, named: dict[str, np.ndarray]) -> Points:
    """Give mean prediction and observed rate in bins of equal size, by model."""
    points: Points = []
    for model, probability in named.items():
        bins = calibration_bins(probability.astype(np.float64))
        for number in np.unique(bins):
            here = bins == number
            predicted, observed = float(probability[here].mean()), float(label[here].mean())
            points.append({"model": model, "predicted": predicted, "observed": observed, "rows": int(here.sum())})
    return points


def confusion(label: np.ndarray, chosen: np.ndarray, names: list[str]) -> Points:
    """Count the rows of each class by the class that they are taken for; pairs without a row are left out."""
    pairs, rows = np.unique(np.column_stack([label, chosen]), axis=0, return_counts=True)
    return [
        {"actual": names[actual], "predicted": names[predicted], "rows": int(count)}
        for (actual, predicted), count in zip(pairs.tolist(), rows.tolist(), strict=True)
    ]


def scatter(columns: dict[str, np.ndarray], seed: int) -> Points:
    """Give some rows drawn at random, a point each."""
    count = len(next(iter(columns.values())))
    kept = np.sort(np.random.default_rng(seed).permutation(count)[:SCATTERED])
    return [{name: float(values[row]) for name, values in columns.items()} for row in kept]


def importance(
    rows: pd.DataFrame,
    predict: Callable[[pd.DataFrame], np.ndarray],
    quality: Callable[[np.ndarray, np.ndarray], float],
    seed: int,
) -> Points:
    """Measure how much `quality` is lost when one column is shuffled, the worst loss first.

    Source: Breiman, Random Forests (2001), section 10.
    """
    random = np.random.default_rng(seed)
    sample = rows.iloc[np.sort(random.permutation(len(rows))[:IMPORTANCE_ROWS])].reset_index(drop=True)
    label = sample[LABEL].to_numpy()
    whole = quality(label, predict(sample))
    points: Points = []
    for name in NUMERIC + CATEGORICAL:
        losses = []
        for _ in range(IMPORTANCE_REPEATS):
            shuffled = sample.assign(**{name: sample[name].to_numpy()[random.permutation(len(sample))]})
            losses.append(whole - quality(label, predict(shuffled)))
        points.append({"feature": name, "loss": float(np.mean(losses)), "spread": float(np.std(losses))})
    return sorted(points, key=lambda point: -point["loss"])


def _thin(columns: dict[str, np.ndarray], model: str) -> Points:
    size = len(next(iter(columns.values())))
    kept = np.unique(np.linspace(0, size - 1, min(POINTS, size)).astype(int))
    return [{"model": model, **{name: float(values[i]) for name, values in columns.items()}} for i in kept]

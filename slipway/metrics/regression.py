"""Metrics of a number and of its interval, in the target's unit but for R² and coverage.

Definitions as in https://scikit-learn.org/stable/modules/model_evaluation.html#regression-metrics
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from slipway.scores import Floats, Resamples, mean
from slipway.tasks.regression import Regression

HIGHER_IS_BETTER = {
    "rmse": False,
    "mae": False,
    "median_absolute_error": False,
    "r2": True,
    "pinball_loss": False,
    "interval_coverage": True,
    "interval_width": False,
}
BEATEN_ON = ("rmse", "mae")
TUNED_ON = ("rmse", "mae")  # by the first; the other is shown
TITLES = {
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "median_absolute_error": "Median absolute error",
    "r2": "R²",
    "pinball_loss": "Pinball loss of the interval's ends",
    "interval_coverage": "Coverage of the interval",
    "interval_width": "Width of the interval",
}
CELLS = 1 << 22  # of one array of a chunk: 32 MiB


def scores(task: Regression, target: npt.NDArray[Any], answers: Floats, drawn: Resamples) -> dict[str, Floats]:
    """Compute every metric on every draw: name to `(1 + resamples,)`; R² is NaN where a draw has one value."""
    actual, predicted = np.asarray(target, np.float64), np.asarray(answers, np.float64)
    error = predicted - actual
    squared = mean(error**2, drawn)
    centred = actual - actual.mean()
    variance = mean(centred**2, drawn) - mean(centred, drawn) ** 2
    low, high = (np.asarray(end, np.float64) for end in task.limits(np.asarray(answers, np.float32)))
    tail = (1 - task.interval.coverage) / 2
    pinball = (_pinball(actual, low, tail) + _pinball(actual, high, 1 - tail)) / 2
    return {
        "rmse": np.sqrt(squared),
        "mae": mean(np.abs(error), drawn),
        "median_absolute_error": _median(np.abs(error), drawn),
        "r2": 1 - squared / np.where(variance > 0, variance, np.nan),
        "pinball_loss": mean(pinball, drawn),
        "interval_coverage": mean(((actual >= low) & (actual <= high)).astype(np.float64), drawn),
        "interval_width": mean(high - low, drawn),
    }


def parts(target: npt.NDArray[Any], answers: Floats) -> dict[str, Floats]:
    """Return one value a row for each metric: its square or its size, whose mean makes the metric."""
    error = np.asarray(answers, np.float64) - np.asarray(target, np.float64)
    size = float(np.sqrt((error**2).mean()))
    # The square root to first order: its mean over the rows is the root mean squared error.
    rooted = (error**2) / (2 * size) + size / 2 if size > 0 else np.zeros(len(error))
    return {"rmse": rooted, "mae": np.abs(error)}


def _pinball(actual: Floats, quantile: Floats, share: float) -> Floats:
    over = actual - quantile
    return np.asarray(np.maximum(share * over, (share - 1) * over))


def _median(values: Floats, drawn: Resamples) -> Floats:
    """Return the median of each draw: the mean of the two values in the middle, as of the rows repeated."""
    order = np.argsort(values, kind="stable")
    ranked, block = values[order], drawn.index[order]
    found = np.empty(len(drawn.draws))
    step = max(1, CELLS // len(values))
    for start in range(0, len(drawn.draws), step):
        counted = np.cumsum(drawn.draws[start : start + step][:, block], axis=1)
        for row, passed in enumerate(counted):
            low, high = np.searchsorted(passed, [(passed[-1] + 1) // 2, passed[-1] // 2 + 1])
            found[start + row] = (ranked[low] + ranked[high]) / 2
    return found

"""Metrics of the positive class's probability; how they are computed is in slipway/scores.py."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from slipway.scores import HIGHER_IS_BETTER, Floats, Resamples
from slipway.scores import scores as of_probabilities
from slipway.tasks.binary import Binary

__all__ = ["BEATEN_ON", "HIGHER_IS_BETTER", "TITLES", "TUNED_ON", "scores"]

BEATEN_ON = ("roc_auc", "log_loss")
TUNED_ON = ("log_loss", "roc_auc")  # by the first; the other is shown
TITLES = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
}


def scores(task: Binary, target: npt.NDArray[Any], answers: Floats, drawn: Resamples) -> dict[str, Floats]:  # noqa: ARG001 - as every task's
    """Compute every metric on every draw: name to `(1 + resamples,)`; NaN where a draw has one class."""
    return of_probabilities(target, answers, drawn)

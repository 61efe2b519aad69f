"""Metrics of a probability a class.

Every one but the calibration error is a mean over the rows, or is carried by one value a row whose mean is the metric:
for ROC AUC and balanced accuracy the row's share in it to first order. So each draw of blocks costs one product,
however many classes there are, and two models are compared row by row.

Sources: DeLong et al., Comparing the areas under two or more correlated ROC curves (1988), for a row's share in an
area; Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 22, for the first order; Hand & Till (2001) on
averages over classes. Definitions as in https://scikit-learn.org/stable/modules/model_evaluation.html
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from slipway.scores import Floats, Resamples, mean, weighted_gaps
from slipway.tasks.multiclass import Multiclass

HIGHER_IS_BETTER = {
    "roc_auc": True,
    "balanced_accuracy": True,
    "log_loss": False,
    "brier": False,
    "calibration_error": False,
}
BEATEN_ON = ("roc_auc", "log_loss")
TUNED_ON = ("log_loss", "roc_auc")  # by the first; the other is shown
TITLES = {
    "roc_auc": "ROC AUC, one against rest",
    "balanced_accuracy": "Balanced accuracy",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error of the top class",
}


def scores(task: Multiclass, target: npt.NDArray[Any], answers: Floats, drawn: Resamples) -> dict[str, Floats]:  # noqa: ARG001 - as every task's
    """Compute every metric on every draw: name to `(1 + resamples,)`.

    ROC AUC and balanced accuracy are means over the classes that the rows have; NaN where they have one class only.
    """
    predicted = np.asarray(answers, np.float64)
    right = (np.argmax(predicted, axis=1) == target).astype(np.float64)
    found = {name: mean(values, drawn) for name, values in parts(target, predicted).items()}
    for name in ("roc_auc", "balanced_accuracy"):
        found[name] = np.clip(found[name], 0, 1)
    return found | {"calibration_error": weighted_gaps(predicted.max(axis=1), right, drawn)}


def parts(target: npt.NDArray[Any], answers: Floats) -> dict[str, Floats]:
    """Return one value a row for each metric, whose mean over the rows is the metric."""
    rows = np.arange(len(target))
    p = np.clip(answers[rows, target], 1e-7, 1.0)
    # Over all classes: the square of each probability, but for the true one's, whose distance is to 1.
    brier = (answers**2).sum(axis=1) - 2 * answers[rows, target] + 1
    return {
        "roc_auc": areas(target, answers),
        "balanced_accuracy": _recall(target, answers),
        "log_loss": -np.log(p),
        "brier": brier,
    }


def areas(target: npt.NDArray[Any], answers: Floats, least: int = 1) -> Floats:
    """Return each row's share in the mean area under the classes' ROC curves, one against the rest, `(n,)`.

    Only classes with at least `least` rows, and as many others, take part; NaN where there is none.
    """
    count = len(target)
    shares = np.zeros(count)
    found: list[float] = []
    for place in np.unique(target):
        positive = target == place
        hits, misses = int(positive.sum()), int(count - positive.sum())
        if min(hits, misses) < least or not misses:
            continue
        beaten, beats = _placements(answers[:, place], positive)
        area = float(beaten.mean())
        shares[positive] += count * (beaten - area) / hits
        shares[~positive] += count * (beats - area) / misses
        found.append(area)
    if not found:
        return np.full(count, np.nan)
    return np.asarray(np.mean(found) + shares / len(found))


def _placements(score: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the share of negatives below each positive, and of positives above each negative; ties count half."""
    hits, misses = np.sort(score[positive]), np.sort(score[~positive])
    mine, others = score[positive], score[~positive]
    below = np.searchsorted(misses, mine, side="left") + np.searchsorted(misses, mine, side="right")
    above = 2 * len(hits) - np.searchsorted(hits, others, side="left") - np.searchsorted(hits, others, side="right")
    return below / (2 * len(misses)), above / (2 * len(hits))


def _recall(target: npt.NDArray[Any], answers: Floats) -> Floats:
    """Return each row's share in the mean of the classes' recalls, `(n,)`."""
    right = (np.argmax(answers, axis=1) == target).astype(np.float64)
    frequency = np.bincount(target, minlength=answers.shape[1])
    recall = np.bincount(target, weights=right, minlength=answers.shape[1]) / np.maximum(frequency, 1)
    present = int((frequency > 0).sum())
    share = len(target) * (right - recall[target]) / (present * frequency[target])
    return np.asarray(recall[frequency > 0].mean() + share)

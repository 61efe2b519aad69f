"""Two classes: baselines, slices and pictures of the positive class's probability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from slipway.errors import BadInput
from slipway.scores import Floats, log_losses, scores, undrawn
from slipway.tasks.binary import Binary
from training import baselines as answers_without_a_model
from training import curves
from training import figures as pictures
from training.evaluation import Points, Test

SLICE_COLUMNS = (
    ("{positive}", "rate", "{:.1%}"),
    ("predicted", "mean_probability", "{:.1%}"),
    ("ROC AUC", "roc_auc", "{:.3f}"),
    ("log loss", "log_loss", "{:.4f}"),
)
DIFFERENCE = "in probability"
MAX_RANK_DIFFERENCE = 1e-6
# Two probabilities nearer than this may change their order by the rounding of float32 alone.
SAME_RANK = 4e-6


def agreement(target: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    """Measure the difference in ROC AUC, which ranks decide."""
    alone = undrawn(len(target))
    areas = [scores(target, p, alone)["roc_auc"][0] for p in (ours, theirs)]
    rank = float(abs(areas[0] - areas[1]))
    return {
        "roc_auc_difference": rank,
        "roc_auc_difference_allowed": max(MAX_RANK_DIFFERENCE, near_pairs(target, theirs)),
    }


def near_pairs(target: np.ndarray, probability: Floats) -> float:
    """Return the share of (positive, negative) pairs that rounding may put in another order, 0 to 1.

    One pair is a large share of a small table's: a limit on ROC AUC that is finer than one pair refuses rounding.
    """
    positive = np.asarray(target) == 1
    misses = np.sort(probability[~positive])
    hits = probability[positive]
    below = np.searchsorted(misses, hits - SAME_RANK, side="left")
    up_to = np.searchsorted(misses, hits + SAME_RANK, side="right")
    return float((up_to - below).sum() / (len(hits) * len(misses)))


def baselines(task: Binary, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:  # noqa: ARG001 - as every task's
    """Answer by the past rate of the row's cell, and by a logistic regression."""
    return {
        "climatology": answers_without_a_model.climatology(train, test),
        "logistic_regression": answers_without_a_model.logistic_regression(train, test)[:, 1],
    }


def refuse_test(test: pd.DataFrame, target: np.ndarray) -> None:
    """Refuse test rows that cannot tell a good model from a bad one.

    Raises:
        BadInput: they have one class only.
    """
    if len(np.unique(target)) != 2:
        raise BadInput(
            "the label of the test rows has one class",
            expected="both 0 and 1",
            found=f"only {sorted(np.unique(target).tolist())} in {len(test):,} rows",
            hint="correct prepare.test in params.yaml",
        )


def counts(target: np.ndarray) -> dict[str, int]:
    """Count the positives."""
    return {"positives": int(target.sum())}


def measure(task: Binary, target: np.ndarray, answers: np.ndarray) -> dict[str, Any]:  # noqa: ARG001 - as every task's
    """Measure one slice: ROC AUC is null where it has one class."""
    label = target.astype(np.float64)
    area = scores(target, answers, undrawn(len(target)))["roc_auc"][0]
    return {
        "rows": len(label),
        "positives": int(label.sum()),
        "roc_auc": None if np.isnan(area) else float(area),
        "log_loss": float(log_losses(label, answers).mean()),
        "mean_probability": float(answers.mean()),
        "rate": float(label.mean()),
    }


def drawings(test: Test) -> dict[str, Points]:
    """Give the points of every picture."""
    models = {"model": test.ours, **test.baselines}
    return {
        "roc": curves.roc(test.target, models),
        "precision_recall": curves.precision_recall(test.target, models),
        "calibration": curves.calibration(test.target, models),
        "importance": curves.importance(test.rows, test.ask, roc_auc_score, test.seed),
    }


def figures(drawings: dict[str, Points], positive: str) -> list[tuple[str, str]]:
    """Draw them, each under its caption."""
    return [
        ("ROC", pictures.roc(drawings["roc"])),
        ("Precision and recall", pictures.precision_recall(drawings["precision_recall"])),
        (f"Calibration: are 20 % of the 20 % {positive}?", pictures.calibration(drawings["calibration"])),
        ("What the model looks at", pictures.importance(drawings["importance"], "ROC AUC lost")),
    ]

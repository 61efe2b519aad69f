"""A number: baselines, slices and pictures of its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway.errors import BadInput
from slipway.metrics.regression import scores
from slipway.scores import undrawn
from slipway.tasks.regression import Regression
from training import baselines as answers_without_a_model
from training import curves
from training import figures as pictures
from training.evaluation import Points, Test

SLICE_COLUMNS = (
    ("mean", "mean", "{:.4g}"),
    ("predicted", "mean_predicted", "{:.4g}"),
    ("mean absolute error", "mae", "{:.4g}"),
    ("coverage of the interval", "interval_coverage", "{:.1%}"),
)
DIFFERENCE = "in value"


def agreement(target: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:  # noqa: ARG001 - as every task's
    """Add nothing: the largest difference says it all."""
    return {}


def baselines(task: Regression, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:  # noqa: ARG001 - as every task's
    """Answer by mean and median of the row's cell in the past, and by a ridge regression."""
    return {
        "cell_mean": answers_without_a_model.cell(train, test, "mean"),
        "cell_median": answers_without_a_model.cell(train, test, "median"),
        "ridge": answers_without_a_model.ridge(train, test),
    }


def refuse_test(test: pd.DataFrame, target: np.ndarray) -> None:
    """Refuse test rows that cannot tell a good model from a bad one.

    Raises:
        BadInput: they have one value only.
    """
    if len(np.unique(target)) < 2:
        raise BadInput(
            "the target of the test rows has one value",
            expected="numbers that differ",
            found=f"one value in {len(test):,} rows",
            hint="correct prepare",
        )


def counts(target: np.ndarray) -> dict[str, int]:  # noqa: ARG001 - as every task's
    """Count nothing but the rows."""
    return {}


def measure(task: Regression, target: np.ndarray, answers: np.ndarray) -> dict[str, Any]:
    """Measure one slice."""
    found = scores(task, target, answers, undrawn(len(target)))
    measured = {name: float(found[name][0]) for name in ("mae", "rmse", "interval_coverage")}
    return {"rows": len(target), "mean": float(target.mean()), "mean_predicted": float(answers.mean()), **measured}


def drawings(test: Test) -> dict[str, Points]:
    """Give the points of every picture."""
    task = test.task
    assert isinstance(task, Regression)  # noqa: S101 - this file's own
    low, high = task.limits(test.ours.astype(np.float32))
    return {
        "predicted": curves.scatter(
            {"predicted": test.ours, "actual": test.target, "low": low, "high": high}, test.seed
        ),
        "residuals": curves.scatter({"predicted": test.ours, "residual": test.target - test.ours}, test.seed),
        "importance": curves.importance(
            test.rows, test.ask, lambda actual, value: -float(np.sqrt(np.mean((value - actual) ** 2))), test.seed
        ),
    }


def figures(drawings: dict[str, Points], positive: str) -> list[tuple[str, str]]:  # noqa: ARG001 - as every task's
    """Draw them, each under its caption."""
    return [
        ("Predicted against actual, with the interval", pictures.predicted(drawings["predicted"])),
        ("Residuals", pictures.residuals(drawings["residuals"])),
        ("What the model looks at", pictures.importance(drawings["importance"], "Root mean squared error gained")),
    ]

"""A number: any regressor, and an interval calibrated on rows that the fit has not seen.

The interval is split-conformal: its ends are quantiles of the errors that the served graph makes on held-out rows, one
of each side, so that at least `coverage` of rows like those lie within. MAPIE computes the same from a scikit-learn
estimator; here the errors are the graph's, which is not one, and the model that was calibrated is the one that serves.

Source: Lei et al., Distribution-Free Predictive Inference for Regression (2018), algorithm 2,
https://arxiv.org/abs/1604.04173
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import tasks as known
from slipway.errors import BadInput
from slipway.metrics.regression import scores
from slipway.scores import resample
from slipway.task import Scores
from slipway.tasks.regression import Interval, Regression, numbers
from training import baselines as answers_without_a_model
from training import curves, held_out, pipeline
from training import figures as pictures
from training.contract import Target
from training.estimators import REGRESSORS
from training.params import Interval as Asked
from training.params import Params, Train
from training.tasks import Points, Test

FAMILY = REGRESSORS
SLICE_COLUMNS = (
    ("mean", "mean", "{:.4g}"),
    ("predicted", "mean_predicted", "{:.4g}"),
    ("mean absolute error", "mae", "{:.4g}"),
    ("coverage of the interval", "interval_coverage", "{:.1%}"),
)
DIFFERENCE = "in value"


def declare(target: Target, train: Train, labels: pd.Series[Any]) -> Regression:
    """Read the unit; the interval is calibrated after the fit.

    Raises:
        BadInput: the target is not made of numbers, or all are equal.
    """
    if train.decision is not None:
        raise BadInput(
            "params.yaml: train.decision is given, but the task is regression",
            expected=f"no train.decision: a label is of `task: {known.DEFAULT}`",
            found="train.decision",
            hint="remove train.decision from params.yaml, or correct `task` in data/contract.yaml",
        )
    values = numbers(labels.to_numpy())
    spread = float(np.std(values))
    if spread == 0:
        raise BadInput(
            "the target of the training rows has one value",
            expected="numbers that differ",
            found=f"{labels.iloc[0]} in {len(labels):,} rows",
            hint="correct the target in prepare",
        )
    asked = train.interval or Asked()
    interval = Interval(asked.coverage, 0.0, 0.0)
    return Regression(spread, float(values.min()), float(values.max()), interval, target.unit)


def fit(
    task: Regression, params: Params, rows: pd.DataFrame, target: np.ndarray
) -> tuple[Pipeline, Regression, np.ndarray]:
    """Fit on the rows that are not held out; return which are.

    Raises:
        BadInput: too few rows are held out for this coverage.
    """
    asked = params.train.interval or Asked()
    held = held_out.blocks(rows["block"].to_numpy(), asked.share, asked.by, params.train.seed)
    least = math.ceil(2 / (1 - task.interval.coverage)) - 1
    if held.sum() < least:
        raise BadInput(
            f"too few rows are held out to calibrate an interval of {task.interval.coverage:.0%}",
            expected=f"at least {least} rows",
            found=f"{int(held.sum())} of {len(rows):,}",
            hint="raise train.interval.share or lower train.interval.coverage in params.yaml",
        )
    model = pipeline.fit(pipeline.build(params.train, family=REGRESSORS), rows[~held], target[~held])
    return model, task, held


def settle(task: Regression, target: np.ndarray, answers: np.ndarray) -> Regression:
    """Set the interval's ends by the errors on the held-out rows."""
    tail = (1 - task.interval.coverage) / 2
    error = np.asarray(target, np.float64) - np.asarray(answers, np.float64)
    below, above = (_quantile(side, 1 - tail) for side in (-error, error))
    return replace(task, interval=replace(task.interval, below=below, above=max(above, -below)))


def _quantile(errors: np.ndarray, share: float) -> float:
    rank = min(math.ceil((len(errors) + 1) * share), len(errors))
    return float(np.sort(errors)[rank - 1])


def learned(model: Pipeline, rows: pd.DataFrame) -> Scores:
    """Return scikit-learn's values, `(n,) float64`."""
    return np.asarray(model.predict(pipeline.frame(rows)), np.float64).reshape(len(rows))


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
    found = scores(task, target, answers, resample(np.zeros(len(target)), 0, seed=0))
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

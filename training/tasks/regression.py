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
from slipway.task import Scores
from slipway.tasks.regression import Interval, Regression, numbers
from training import held_out, pipeline
from training.contract import Target
from training.estimators import REGRESSORS
from training.params import IntervalSection, Params, Train

FAMILY = REGRESSORS


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
    asked = train.interval or IntervalSection()
    interval = Interval(asked.coverage, 0.0, 0.0)
    return Regression(spread, float(values.min()), float(values.max()), interval, target.unit)


def fit(
    task: Regression, params: Params, rows: pd.DataFrame, target: np.ndarray
) -> tuple[Pipeline, Regression, np.ndarray]:
    """Fit on the rows that are not held out; return which are.

    Raises:
        BadInput: too few rows are held out for this coverage.
    """
    asked = params.train.interval or IntervalSection()
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


def learned(task: Regression, model: Pipeline, rows: pd.DataFrame) -> Scores:  # noqa: ARG001 - as every task's
    """Return scikit-learn's values, `(n,) float64`."""
    return np.asarray(model.predict(pipeline.frame(rows)), np.float64).reshape(len(rows))

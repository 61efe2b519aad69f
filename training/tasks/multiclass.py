"""Several classes: any classifier with probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import task as tasks
from slipway.errors import BadInput
from slipway.task import Scores
from slipway.tasks.multiclass import Multiclass
from training import pipeline
from training.contract import Target
from training.estimators import CLASSIFIERS
from training.params import Params, Train

FAMILY = CLASSIFIERS


def declare(target: Target, train: Train, labels: pd.Series[Any]) -> Multiclass:
    """Read the classes out of the contract, or out of the training rows.

    Raises:
        BadInput: a class that is not valid, or that no training row has.
    """
    for key in ("decision", "interval"):
        if getattr(train, key) is not None:
            raise BadInput(
                f"params.yaml: train.{key} is given, but the task is multiclass",
                expected=f"no train.{key}: the label is the most probable class",
                found=f"train.{key}",
                hint=f"remove train.{key} from params.yaml, or correct `task` in data/contract.yaml",
            )
    seen = {tasks.plain(value) for value in labels.unique().tolist()} - {None}
    listed = target.classes or sorted(seen, key=lambda value: (str(type(value)), value))
    task = Multiclass(tasks.checked_classes(listed, 2, tasks.MOST_CLASSES))
    if absent := [value for value in task.classes if value not in seen]:
        raise BadInput(
            "data/contract.yaml lists a class that no training row has",
            expected="at least one row of each class",
            found=f"none of {tasks.shown(absent)}",
            hint="remove it from `classes` in data/contract.yaml, or correct prepare",
        )
    return task


def fit(task: Multiclass, params: Params, rows: pd.DataFrame, target: np.ndarray) -> tuple[Pipeline, Multiclass, None]:
    """Fit on all rows."""
    return pipeline.fit(pipeline.build(params.train), rows, target), task, None


def settle(task: Multiclass, target: np.ndarray, answers: np.ndarray) -> Multiclass:  # noqa: ARG001 - as every task's
    """Change nothing."""
    return task


def learned(task: Multiclass, model: Pipeline, rows: pd.DataFrame) -> Scores:
    """Return scikit-learn's probabilities, `(n, k) float64`; 0 for a class that it was not fitted on."""
    answers = np.zeros((len(rows), task.width))
    answers[:, model.classes_] = model.predict_proba(pipeline.frame(rows))
    return answers

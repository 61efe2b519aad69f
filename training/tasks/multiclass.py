"""Several classes: any classifier with probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import task as tasks
from slipway.errors import BadInput
from slipway.metrics.multiclass import areas, parts
from slipway.task import Scores
from slipway.tasks.multiclass import Multiclass
from training import baselines as answers_without_a_model
from training import curves, pipeline
from training import figures as pictures
from training.contract import Target
from training.estimators import CLASSIFIERS
from training.params import Params, Train
from training.tasks import Points, Test

FAMILY = CLASSIFIERS
SLICE_COLUMNS = (
    ("classes", "classes", "{}"),
    ("balanced accuracy", "balanced_accuracy", "{:.1%}"),
    ("ROC AUC", "roc_auc", "{:.3f}"),
    ("log loss", "log_loss", "{:.4f}"),
)
DIFFERENCE = "in probability"
CURVES = 8  # classes with a curve of their own, the most frequent ones


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


def learned(model: Pipeline, rows: pd.DataFrame) -> Scores:
    """Return scikit-learn's probabilities, `(n, k) float64`."""
    return np.asarray(model.predict_proba(pipeline.frame(rows)))


def agreement(target: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:  # noqa: ARG001 - as every task's
    """Count the rows whose label differs: those whose two highest probabilities nearly tie may."""
    return {"labels_that_differ": int((np.argmax(ours, axis=1) != np.argmax(theirs, axis=1)).sum())}


def baselines(task: Multiclass, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Answer by the past rates of the row's cell, and by a logistic regression."""
    return {
        "climatology": answers_without_a_model.rates(train, test, task.width),
        "logistic_regression": answers_without_a_model.logistic_regression(train, test),
    }


def refuse_test(test: pd.DataFrame, target: np.ndarray) -> None:
    """Refuse test rows that cannot tell a good model from a bad one.

    Raises:
        BadInput: they have one class only.
    """
    if len(np.unique(target)) < 2:
        raise BadInput(
            "the target of the test rows has one class",
            expected="rows of at least two classes",
            found=f"one class in {len(test):,} rows",
            hint="correct prepare",
        )


def counts(target: np.ndarray) -> dict[str, int]:
    """Count the classes, and the rows of the rarest."""
    frequency = np.unique(target, return_counts=True)[1]
    return {"classes": len(frequency), "rarest_class": int(frequency.min())}


def measure(task: Multiclass, target: np.ndarray, answers: np.ndarray) -> dict[str, Any]:  # noqa: ARG001 - as every task's
    """Measure one slice: ROC AUC is null where it has one class."""
    values = {name: float(shares.mean()) for name, shares in parts(target, answers).items()}
    measured = {name: values[name] for name in ("roc_auc", "balanced_accuracy", "log_loss")}
    measured["roc_auc"] = None if np.isnan(values["roc_auc"]) else values["roc_auc"]  # type: ignore[assignment]
    return {"rows": len(target), "classes": len(np.unique(target)), **measured}


def drawings(test: Test) -> dict[str, Points]:
    """Give the points of every picture."""
    task = test.task
    assert isinstance(task, Multiclass)  # noqa: S101 - this file's own
    names = [tasks.written(name) for name in task.classes]
    top = {name: np.asarray(p).max(axis=1) for name, p in {"model": test.ours, **test.baselines}.items()}
    right = {name: np.argmax(p, axis=1) == test.target for name, p in {"model": test.ours, **test.baselines}.items()}
    frequent = np.argsort(-np.bincount(test.target, minlength=len(names)), kind="stable")[:CURVES]
    present = [place for place in frequent if 0 < (test.target == place).sum() < len(test.target)]
    calibration: Points = []
    for name, probability in top.items():
        calibration += curves.calibration(right[name].astype(int), {name: probability})
    return {
        "confusion": curves.confusion(test.target, np.argmax(test.ours, axis=1), names),
        "roc": [
            point
            for place in present
            for point in curves.roc((test.target == place).astype(int), {names[place]: test.ours[:, place]})
        ],
        "calibration": calibration,
        "importance": curves.importance(test.rows, test.ask, lambda t, p: float(areas(t, p).mean()), test.seed),
    }


def figures(drawings: dict[str, Points], positive: str) -> list[tuple[str, str]]:  # noqa: ARG001 - as every task's
    """Draw them, each under its caption."""
    return [
        ("What is taken for what", pictures.confusion(drawings["confusion"])),
        ("ROC, each class against the rest", pictures.roc(drawings["roc"])),
        ("Calibration of the most probable class", pictures.calibration(drawings["calibration"])),
        ("What the model looks at", pictures.importance(drawings["importance"], "Mean ROC AUC lost")),
    ]

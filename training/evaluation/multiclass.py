"""Several classes: baselines, slices and pictures, each class against the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from slipway import task as tasks
from slipway.errors import BadInput
from slipway.metrics.multiclass import areas, parts
from slipway.tasks.multiclass import Multiclass
from training import baselines as answers_without_a_model
from training import curves
from training import figures as pictures
from training.evaluation import Points, Test

SLICE_COLUMNS = (
    ("classes", "classes", "{}"),
    ("balanced accuracy", "balanced_accuracy", "{:.1%}"),
    ("ROC AUC", "roc_auc", "{:.3f}"),
    ("log loss", "log_loss", "{:.4f}"),
)
DIFFERENCE = "in probability"
CURVES = 8  # classes with a curve of their own, the most frequent ones


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

"""Several classes: ROC AUC one against rest and log loss as of two, balanced accuracy, calibration of the top class."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from registry import params
from registry.classes import WIDEST, Margins, NonInferiority, worst
from registry.noninferiority import Advantage, of_means
from registry.params import Section
from registry.tasks import Target, measured
from registry.verdict import Rule, at_least, at_most
from slipway.metrics.multiclass import HIGHER_IS_BETTER, areas, parts
from slipway.scores import Floats, Resamples
from slipway.tasks.multiclass import Multiclass

__all__ = ["worst"]

METRICS = ("log_loss", "roc_auc")
SIMPLE = frozenset({"climatology"})
HEADLINE = "roc_auc"


class Minimum(Section):
    """Fewer samples than these prove nothing."""

    rows: int = Field(ge=1)
    rarest_class: int = Field(ge=1)
    blocks: int = Field(ge=10)  # the interval's own error grows quickly below that


class Floors(Section):
    """Absolute limits: ROC AUC and balanced accuracy at least, log loss at most."""

    roc_auc: float = Field(ge=0, le=1)
    log_loss: float = Field(gt=0)
    balanced_accuracy: float = Field(default=0.0, ge=0, le=1)


class Slices(Section):
    """The floor within a slice; classes with fewer rows there are left out, and slices without two that have them."""

    minimum_rows: int = Field(ge=1)
    minimum_of_a_class: int = Field(ge=1)
    roc_auc: float = Field(ge=0, le=1)


class Gate(params.Gate):
    """Every limit of the judgement."""

    minimum: Minimum
    non_inferiority: NonInferiority
    baselines: dict[str, Literal["beaten", "better", "not_worse"] | Margins] = Field(default_factory=dict)
    floors: Floors
    slices: Slices
    calibration_error: float = Field(gt=0, le=1)


def broken(target: Target) -> str | None:
    """At least two classes are there."""
    return None if len(np.unique(target)) > 1 else "the rows hold one class only"


def counts(target: Target) -> Mapping[str, int]:
    """Count the rows of the rarest class that is there."""
    return {"rarest_class": int(np.unique(target, return_counts=True)[1].min())}


def absolute(task: Multiclass, target: Target, answers: Floats, gate: Gate) -> Iterable[Rule]:
    """ROC AUC, balanced accuracy, log loss, the top class's calibration error, and every class in the test rows."""
    absent = task.width - len(np.unique(target))
    yield Rule("classes", absent == 0, "every class has test rows" if not absent else f"{absent} have no test row")
    values = measured(task, target, answers)
    yield at_least("floors.roc_auc", values["roc_auc"], gate.floors.roc_auc)
    yield at_least("floors.balanced_accuracy", values["balanced_accuracy"], gate.floors.balanced_accuracy)
    yield at_most("floors.log_loss", values["log_loss"], gate.floors.log_loss)
    yield at_most("calibration_error", values["calibration_error"], gate.calibration_error)


def in_slice(task: Multiclass, target: Target, answers: Floats, gate: Gate) -> float | None:  # noqa: ARG001 - as every task's
    """Return the mean ROC AUC of the classes with enough rows."""
    if len(target) < gate.slices.minimum_rows:
        return None
    area = float(areas(target, answers, gate.slices.minimum_of_a_class).mean())
    return None if math.isnan(area) else area


def fitting(target: Target) -> Margins:
    """Return margins that so many test rows can tell from nothing, about two half-widths of the interval."""
    rows = len(target)
    shares = np.unique(target, return_counts=True)[1] / rows
    spreads = 2 * np.sqrt(shares * (1 - shares))
    return Margins(
        log_loss=min(2 / math.sqrt(rows), WIDEST.log_loss),
        roc_auc=min(float(np.mean(1 / (spreads * math.sqrt(rows)))), WIDEST.roc_auc),
    )


def advantages(
    target: Target, challenger: Floats, champion: Floats, drawn: Resamples, confidence: float
) -> Mapping[str, Advantage]:
    """Compare two models row by row."""
    ours, theirs = parts(target, challenger), parts(target, champion)
    return {name: of_means(ours[name], theirs[name], HIGHER_IS_BETTER[name], drawn, confidence) for name in METRICS}

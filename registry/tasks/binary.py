"""Two classes: ROC AUC and log loss against champion, baselines and floors; calibration; the worst slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from registry import params
from registry.classes import WIDEST, Margins, NonInferiority, worst
from registry.noninferiority import advantages
from registry.params import Section
from registry.tasks import Target, measured
from registry.verdict import Rule, at_least, at_most
from slipway.scores import Floats
from slipway.tasks.binary import Binary

__all__ = ["advantages", "worst"]

METRICS = ("log_loss", "roc_auc")
SIMPLE = frozenset({"climatology"})
HEADLINE = "roc_auc"


class Minimum(Section):
    """Fewer samples than these prove nothing."""

    rows: int = Field(ge=1)
    positives: int = Field(ge=1)
    blocks: int = Field(ge=10)  # the interval's own error grows quickly below that


class Floors(Section):
    """Absolute limits: ROC AUC at least, log loss at most."""

    roc_auc: float = Field(ge=0, le=1)
    log_loss: float = Field(gt=0)


class Slices(Section):
    """The floor within a slice, and how large a slice must be to be judged."""

    minimum_rows: int = Field(ge=1)
    minimum_positives: int = Field(ge=1)
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
    """Both classes are there, and nothing else."""
    if not np.isin(target, (0, 1)).all():
        return "label holds something other than 0 and 1"
    return None if 0 < target.sum() < len(target) else "the rows hold one class only"


def counts(target: Target) -> Mapping[str, int]:
    """Count the positives."""
    return {"positives": int(target.sum())}


def absolute(task: Binary, target: Target, answers: Floats, gate: Gate) -> Iterable[Rule]:
    """ROC AUC, log loss and the calibration error."""
    values = measured(task, target, answers)
    yield at_least("floors.roc_auc", values["roc_auc"], gate.floors.roc_auc)
    yield at_most("floors.log_loss", values["log_loss"], gate.floors.log_loss)
    yield at_most("calibration_error", values["calibration_error"], gate.calibration_error)


def in_slice(task: Binary, target: Target, answers: Floats, gate: Gate) -> float | None:
    """Return ROC AUC, which is as blind with few negatives as with few positives."""
    positives, count = int(target.sum()), len(target)
    if min(positives, count - positives) < gate.slices.minimum_positives or count < gate.slices.minimum_rows:
        return None
    return measured(task, target, answers)["roc_auc"]


def fitting(target: Target) -> Margins:
    """Return margins that so many test rows can tell from nothing, about two half-widths of the interval."""
    rows, share = len(target), float(np.mean(target))
    spread = 2 * math.sqrt(share * (1 - share))  # of the label: 1 where both classes are equally frequent
    return Margins(
        log_loss=min(2 * spread / math.sqrt(rows), WIDEST.log_loss),
        roc_auc=min(1 / (spread * math.sqrt(rows)), WIDEST.roc_auc),
    )

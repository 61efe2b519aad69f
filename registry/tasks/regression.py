"""A number: root mean squared and mean absolute error, R², the interval's coverage, the worst slice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from registry import params
from registry.noninferiority import Advantage, of_means
from registry.params import Section
from registry.tasks import Target, measured
from registry.verdict import Rule, at_least, at_most
from slipway.metrics.regression import HIGHER_IS_BETTER, parts
from slipway.scores import Floats, Resamples
from slipway.tasks.regression import Regression

METRICS = ("rmse", "mae")
SIMPLE = frozenset({"cell_mean", "cell_median"})
HEADLINE = "rmse"
# Whatever the number of rows: a model worse by this share of the target's standard deviation is worse.
WIDEST = 0.15


class Minimum(Section):
    """Fewer samples than these prove nothing."""

    rows: int = Field(ge=1)
    blocks: int = Field(ge=10)  # the interval's own error grows quickly below that


class NonInferiority(Section):
    """How much worse than the champion is still acceptable, in the target's unit."""

    rmse: float = Field(gt=0)
    mae: float = Field(gt=0)


class Floors(Section):
    """Absolute limits: R² at least, the errors at most, in the target's unit."""

    r2: float = Field(le=1)
    rmse: float = Field(gt=0)
    mae: float = Field(gt=0)


class Slices(Section):
    """The largest mean absolute error within a slice, and how large a slice must be to be judged."""

    minimum_rows: int = Field(ge=1)
    mae: float = Field(gt=0)


class Margins(Section):
    """How much worse than a baseline is still acceptable, in the target's unit."""

    rmse: float = Field(ge=0)
    mae: float = Field(ge=0)


class Gate(params.Gate):
    """Every limit of the judgement."""

    minimum: Minimum
    non_inferiority: NonInferiority
    baselines: dict[str, Literal["beaten", "better", "not_worse"] | Margins] = Field(default_factory=dict)
    floors: Floors
    slices: Slices
    interval_coverage: float = Field(gt=0, lt=1)  # how far from the stated coverage


def broken(target: Target) -> str | None:
    """The values are numbers that differ."""
    if not np.isfinite(target).all():
        return "the target holds something that is not a finite number"
    return None if len(np.unique(target)) > 1 else "the rows hold one value only"


def counts(target: Target) -> Mapping[str, int]:  # noqa: ARG001 - as every task's
    """Count nothing more."""
    return {}


def absolute(task: Regression, target: Target, answers: Floats, gate: Gate) -> Iterable[Rule]:
    """The errors, R², and the coverage of the interval."""
    values = measured(task, target, answers)
    yield at_least("floors.r2", values["r2"], gate.floors.r2)
    for name in METRICS:
        yield at_most(f"floors.{name}", values[name], getattr(gate.floors, name))
    coverage, stated = values["interval_coverage"], task.interval.coverage
    reason = f"{coverage:.1%} of rows lie within the interval that should hold {stated:.0%}"
    yield at_most("interval_coverage", abs(coverage - stated), gate.interval_coverage, reason)


def in_slice(task: Regression, target: Target, answers: Floats, gate: Gate) -> float | None:
    """Return the mean absolute error."""
    return measured(task, target, answers)["mae"] if len(target) >= gate.slices.minimum_rows else None


def worst(name: str, values: Mapping[str, float], gate: Gate, left_out: str) -> Rule:
    """The largest error is the worst."""
    largest = max(values, key=values.__getitem__)
    return at_most(name, values[largest], gate.slices.mae, f"worst of {len(values)}: {largest}{left_out}")


def fitting(target: Target) -> Margins:
    """Return margins that so many test rows can tell from nothing, about two half-widths of the interval."""
    spread = float(np.std(target))
    margin = min(2 / math.sqrt(len(target)), WIDEST) * spread
    return Margins(rmse=margin, mae=margin)


def advantages(
    target: Target, challenger: Floats, champion: Floats, drawn: Resamples, confidence: float
) -> Mapping[str, Advantage]:
    """Compare two models row by row."""
    ours, theirs = parts(target, challenger), parts(target, champion)
    return {name: of_means(ours[name], theirs[name], HIGHER_IS_BETTER[name], drawn, confidence) for name in METRICS}

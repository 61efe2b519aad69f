"""How a task is judged, a file a task, by the names of `slipway/tasks/`: its limits, and the rules that are its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import numpy.typing as npt

from registry import params
from registry.noninferiority import Advantage
from registry.verdict import Rule
from slipway import tasks
from slipway.scores import Floats, Resamples, undrawn
from slipway.task import Task

Target = npt.NDArray[Any]


class Judging(Protocol):
    """What a file of this folder offers. `gate` is its own `Gate`."""

    Gate: type[params.Gate]
    METRICS: tuple[str, ...]  # which a model must not be worse in
    SIMPLE: frozenset[str]  # baselines that anybody could give without a model
    HEADLINE: str  # the metric that a list of versions shows

    def broken(self, target: Target) -> str | None:
        """Say why nothing can be judged on these targets."""

    def counts(self, target: Target) -> Mapping[str, int]:
        """Count what `gate.minimum` asks for, beside rows and blocks."""

    def absolute(self, task: Any, target: Target, answers: Floats, gate: Any) -> Iterable[Rule]:
        """Hold the metrics against the limits."""

    def in_slice(self, task: Any, target: Target, answers: Floats, gate: Any) -> float | None:
        """Measure a slice; None where it has too few samples."""

    def worst(self, name: str, values: Mapping[str, float], gate: Any, left_out: str) -> Rule:
        """Hold the worst slice against its limit."""

    def fitting(self, target: Target) -> Any:
        """Return the margins towards a baseline that so many rows can show."""

    def advantages(
        self, target: Target, challenger: Floats, champion: Floats, drawn: Resamples, confidence: float
    ) -> Mapping[str, Advantage]:
        """Compare two models on the same rows."""


def of(name: str) -> Judging:
    """Return the judging of the task of this name."""
    return cast("Judging", importlib.import_module(f"{__name__}.{name}"))


def headlines() -> list[str]:
    """Return the metric of each task that a list of versions shows."""
    return sorted({of(name).HEADLINE for name in tasks.names()})


def measured(task: Task, target: Target, answers: Floats) -> dict[str, float]:
    """Return every metric's value on these rows, without an interval."""
    from slipway import metrics

    found = metrics.of(task).scores(task, target, answers, undrawn(len(target)))
    return {name: float(draws[0]) for name, draws in found.items()}

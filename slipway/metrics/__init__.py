"""How good the answers of a task are, a file a task, by the names of `slipway/tasks/`: numpy alone.

Each file has `HIGHER_IS_BETTER`, a metric's name to its direction; `BEATEN_ON`, what a baseline must lose on;
`TUNED_ON`, what a search minimises first; `TITLES` for people; and `scores(task, target, answers, drawn)`, every
metric on every draw of blocks.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy.typing as npt

from slipway.scores import Floats, Resamples
from slipway.task import Task


class TaskMetrics(Protocol):
    """What a file of this folder offers."""

    HIGHER_IS_BETTER: Mapping[str, bool]
    BEATEN_ON: tuple[str, ...]
    TUNED_ON: tuple[str, ...]
    TITLES: Mapping[str, str]

    def scores(self, task: Any, target: npt.NDArray[Any], answers: Floats, drawn: Resamples) -> dict[str, Floats]: ...


def of(task: Task) -> TaskMetrics:
    """Return the metrics of a task."""
    return cast("TaskMetrics", importlib.import_module(f"{__name__}.{task.name}"))


def advantage(metrics: TaskMetrics, name: str, ours: Floats, theirs: Floats) -> Floats:
    """Return how much better `ours` is on each draw, positive when better."""
    return ours - theirs if metrics.HIGHER_IS_BETTER[name] else theirs - ours

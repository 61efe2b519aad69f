"""How a task is evaluated, a file a task, by the names of `slipway/tasks/`: baselines, slices, pictures.

Apart from training/tasks/, so that a change to a picture does not train again.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd

from slipway.task import Task

Points = list[dict[str, Any]]
Ask = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Test:
    """The test rows with what was answered: targets as numbers, the model's scores, and each baseline's."""

    __test__ = False  # not a test of pytest's

    task: Task
    rows: pd.DataFrame
    target: np.ndarray
    ours: np.ndarray
    baselines: Mapping[str, np.ndarray]
    ask: Ask
    seed: int


class Evaluating(Protocol):
    """What a file of this folder offers."""

    SLICE_COLUMNS: tuple[tuple[str, str, str], ...]  # of the page: title, key of `measure`, form
    DIFFERENCE: str  # what two answers differ in, for people

    def refuse_test(self, test: pd.DataFrame, target: np.ndarray) -> None:
        """Refuse test rows that cannot tell a good model from a bad one."""

    def agreement(self, target: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
        """Compare the graph's scores with scikit-learn's, beside their largest difference."""

    def baselines(self, task: Any, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
        """Answer the test rows as anybody could without the model."""

    def counts(self, target: np.ndarray) -> dict[str, int]: ...
    def measure(self, task: Any, target: np.ndarray, answers: np.ndarray) -> dict[str, Any]: ...
    def drawings(self, test: Test) -> dict[str, Points]: ...
    def figures(self, drawings: dict[str, Points], positive: str) -> list[tuple[str, str]]: ...


def of(name: str) -> Evaluating:
    """Return the evaluation of the task of this name."""
    return cast("Evaluating", importlib.import_module(f"{__name__}.{name}"))

"""How a task is trained and evaluated, a file a task, by the names of `slipway/tasks/`.

`Training` is what each file offers: its estimators, its target, baselines, slices and pictures. The stages ask the
file that data/contract.yaml names, and spell no task themselves.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway.task import Scores, Task
from training.contract import Target
from training.estimators import Family
from training.params import Params, Train

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


class Training(Protocol):
    """What a file of this folder offers."""

    FAMILY: Family
    SLICE_COLUMNS: tuple[tuple[str, str, str], ...]  # of the page: title, key of `measure`, form
    DIFFERENCE: str  # what two answers differ in, for people

    def declare(self, target: Target, train: Train, labels: pd.Series[Any]) -> Task:
        """Read the task out of the contract, the parameters and the training rows, before the fit."""

    def fit(
        self, task: Any, params: Params, rows: pd.DataFrame, target: np.ndarray
    ) -> tuple[Pipeline, Task, np.ndarray | None]:
        """Fit the Pipeline; return it with the task and which rows were held out to settle it, where some were."""

    def settle(self, task: Any, target: np.ndarray, answers: np.ndarray) -> Task:
        """Complete the task with what the served graph answers to the rows that were held out."""

    def refuse_test(self, test: pd.DataFrame, target: np.ndarray) -> None: ...
    def learned(self, model: Pipeline, rows: pd.DataFrame) -> Scores: ...
    def agreement(self, target: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]: ...
    def baselines(self, task: Any, train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]: ...
    def counts(self, target: np.ndarray) -> dict[str, int]: ...
    def measure(self, task: Any, target: np.ndarray, answers: np.ndarray) -> dict[str, Any]: ...
    def drawings(self, test: Test) -> dict[str, Points]: ...
    def figures(self, drawings: dict[str, Points], positive: str) -> list[tuple[str, str]]: ...


def of(name: str) -> Training:
    """Return the training of the task of this name."""
    return cast("Training", importlib.import_module(f"{__name__}.{name}"))

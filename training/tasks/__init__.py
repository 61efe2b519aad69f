"""How a task is trained, a file a task, by the names of `slipway/tasks/`.

The stages ask the file that data/contract.yaml names, and spell no task themselves.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway.task import Scores, Task
from training.contract import Target
from training.estimators import Family
from training.params import Params, Train


class Training(Protocol):
    """What a file of this folder offers."""

    FAMILY: Family

    def declare(self, target: Target, train: Train, labels: pd.Series[Any]) -> Task:
        """Read the task out of the contract, the parameters and the training rows, before the fit."""

    def fit(
        self, task: Any, params: Params, rows: pd.DataFrame, target: np.ndarray
    ) -> tuple[Pipeline, Task, np.ndarray | None]:
        """Fit the Pipeline; return it with the task and which rows were held out to settle it, where some were."""

    def settle(self, task: Any, target: np.ndarray, answers: np.ndarray) -> Task:
        """Complete the task with what the served graph answers to the rows that were held out."""

    def learned(self, task: Any, model: Pipeline, rows: pd.DataFrame) -> Scores:
        """Return scikit-learn's scores."""


def of(name: str) -> Training:
    """Return the training of the task of this name."""
    return cast("Training", importlib.import_module(f"{__name__}.{name}"))

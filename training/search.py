"""The search for hyperparameters: draw candidates, score each on folds that follow in time.

Pure but for joblib, which decides where the work runs: on this machine or, with
a Dask client in force, on a cluster. The draw depends on the seed alone, so
the same candidates are scored wherever that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from slipway import metrics
from slipway.errors import BadInput
from slipway.scores import undrawn
from slipway.task import Task
from training import pipeline, tasks, threads
from training.contract import Target
from training.layout import LABEL
from training.params import Params, Range, Tune

Candidate = dict[str, Any]
Mask = npt.NDArray[np.bool_]
UNDECLARED = Target()


@dataclass(frozen=True)
class Result:
    """A candidate with its scores, the mean over the folds."""

    number: int
    candidate: Candidate
    scores: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return number, candidate, and each score by its name."""
        return {"number": self.number, "candidate": self.candidate, **self.scores}


def candidates(params: Params) -> list[Candidate]:
    """Draw the candidates; the first is what params.yaml has now, so that it takes part.

    Raises:
        BadInput: the estimator has no space in params.yaml.
    """
    name = params.train.estimator
    space = params.tune.space.get(name)
    if not space:
        raise BadInput(
            f"tune.space has nothing for {name}",
            expected=f"tune.space.{name} with at least one hyperparameter",
            found="spaces for " + (", ".join(params.tune.space) or "no estimator"),
            hint="add it to params.yaml",
        )
    random = np.random.default_rng(params.train.seed)
    now = params.train.hyperparameters.get(name, {})
    drawn = [
        now | {key: _draw(choice, random) for key, choice in space.items()} for _ in range(params.tune.candidates - 1)
    ]
    return [now, *drawn]


def folds(blocks: pd.Series[str], tune: Tune) -> list[tuple[Mask, Mask]]:
    """Cut the days into `tune.folds` + 1 stretches; each fold trains on the past and is scored on the next stretch.

    Raises:
        BadInput: there are fewer days than stretches.
    """
    days = np.unique(blocks.to_numpy())
    if len(days) <= tune.folds:
        raise BadInput(
            f"{len(days)} days cannot be cut into {tune.folds} folds",
            expected=f"more than {tune.folds} days in the train window",
            hint="lower tune.folds or widen prepare.train in params.yaml",
        )
    stretch = pd.Series(np.arange(len(days)) * (tune.folds + 1) // len(days), index=days)
    where = blocks.map(stretch).to_numpy()
    return [(where < k, where == k) for k in range(1, tune.folds + 1)]


def search(params: Params, rows: pd.DataFrame, jobs: int = -1, target: Target = UNDECLARED) -> Iterator[Result]:
    """Score every candidate, yielding each as soon as all of its folds are done."""
    task = tasks.of(target.name).declare(target, params.train, rows[LABEL])
    rows = rows.assign(**{LABEL: task.targets(rows[LABEL].to_numpy())})
    drawn = candidates(params)
    cut = folds(rows["block"], params.tune)
    folded = (
        joblib.delayed(_score)(params, task, number, candidate, rows, train, test)
        for number, candidate in enumerate(drawn)
        for train, test in cut
    )
    done: dict[int, list[tuple[float, ...]]] = {}
    for number, scored in joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(folded):
        found = done.setdefault(number, [])
        found.append(scored)
        if len(found) == len(cut):
            means = np.mean(sorted(found), axis=0)  # sorted: the sum must not depend on who finished first
            named = zip(metrics.of(task).TUNED_ON, means.tolist(), strict=True)
            yield Result(number, drawn[number], dict(named))


def _score(
    params: Params, task: Task, number: int, candidate: Candidate, rows: pd.DataFrame, train: Mask, test: Mask
) -> tuple[int, tuple[float, ...]]:
    kind, known = tasks.of(task.name), metrics.of(task)
    learn, check = rows[train], rows[test]
    with threads.limited(1):
        built = pipeline.build(params.train, candidate, kind.FAMILY)
        fitted = pipeline.fit(built, learn, learn[LABEL].to_numpy())
        answers = np.asarray(kind.learned(task, fitted, check), np.float64)
    label = check[LABEL].to_numpy()
    found = known.scores(task, label, answers, undrawn(len(label)))
    return number, tuple(float(found[name][0]) for name in known.TUNED_ON)


def _draw(choice: Range | list[Any], random: np.random.Generator) -> Any:
    if isinstance(choice, list):
        return choice[int(random.integers(len(choice)))]
    integers = isinstance(choice.low, int) and isinstance(choice.high, int)
    if choice.log:
        value = math.exp(random.uniform(math.log(choice.low), math.log(choice.high)))
    else:
        value = random.uniform(choice.low, choice.high)
    return round(value) if integers else float(f"{value:.4g}")

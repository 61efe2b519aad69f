"""Two classes: any classifier with probabilities, and a threshold that comes from params.yaml or from costs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import task as tasks
from slipway.errors import BadInput
from slipway.task import Scores
from slipway.tasks.binary import Binary
from training import held_out, pipeline
from training.contract import Target
from training.estimators import CLASSIFIERS
from training.params import Params, Train

FAMILY = CLASSIFIERS


def declare(target: Target, train: Train, labels: pd.Series[Any]) -> Binary:
    """Read the classes; without a word about them the target is 0 or 1, and the answer has no label.

    Raises:
        BadInput: the training rows do not have two classes, or `positive` is not one of them.
    """
    if train.interval is not None:
        raise _without("train.interval", "an interval", "regression")
    silent = target.task is None and target.positive is None and target.classes is None and train.decision is None
    if silent:
        _refuse_one_class(labels)
        return Binary()
    classes = tasks.checked_classes(target.classes or _seen(labels), 2, 2)
    positive = _positive(target, classes)
    threshold = train.decision.threshold if train.decision else None
    ordered = tuple(sorted(classes, key=lambda value: value == positive))
    task = Binary(ordered) if threshold is None else Binary(ordered, threshold)
    present = set(task.targets(labels.to_numpy()).tolist())
    if len(present) < 2:
        raise _one_class(f"only {tasks.shown([ordered[place] for place in present])} in {len(labels):,} rows")
    return task


def fit(task: Binary, params: Params, rows: pd.DataFrame, target: np.ndarray) -> tuple[Pipeline, Binary, None]:
    """Fit on all rows; where errors have costs, find the threshold on held-out blocks first."""
    decision = params.train.decision
    if decision is not None and decision.costs is not None:
        held = held_out.blocks(rows["block"].to_numpy(), decision.share, "block", params.train.seed)
        model = pipeline.fit(pipeline.build(params.train), rows[~held], target[~held])
        chosen, cost = cheapest(target[held], learned(task, model, rows[held]), decision.costs.false_positive,
                                decision.costs.false_negative)  # fmt: skip
        print(f"train: threshold {chosen:.4f}: {cost:.4f} a row on {int(held.sum()):,} held-out rows", flush=True)
        task = replace(task, threshold=chosen)
    return pipeline.fit(pipeline.build(params.train), rows, target), task, None


def cheapest(
    target: np.ndarray, probability: Scores, false_positive: float, false_negative: float
) -> tuple[float, float]:
    """Return the threshold whose errors cost least, and that cost a row.

    Every threshold between two neighbouring probabilities costs the same. Among those that cost least, the nearest to
    what the costs ask of calibrated probabilities is taken, at least a quarter of the gap away from either neighbour.

    Source: Elkan, The Foundations of Cost-Sensitive Learning (2001), equation 2.
    """
    order = np.argsort(probability, kind="stable")
    ranked, actual = np.asarray(probability, np.float64)[order], np.asarray(target)[order]
    misses = np.concatenate([[0], np.cumsum(actual)]) * false_negative  # everything below the cut is negative
    alarms = (np.sum(1 - actual) - np.concatenate([[0], np.cumsum(1 - actual)])) * false_positive
    low, high = np.concatenate([[0.0], ranked]), np.concatenate([ranked, [1.0]])
    costs = np.where(high > low, misses + alarms, np.inf)
    asked, margin = false_positive / (false_positive + false_negative), (high - low) / 4
    cuts = np.clip(asked, low + margin, high - margin)
    best = np.flatnonzero(costs == costs.min())
    place = int(best[np.argmin(np.abs(cuts[best] - asked))])
    return float(np.float32(cuts[place])), float(costs[place] / len(ranked))


def settle(task: Binary, target: np.ndarray, answers: np.ndarray) -> Binary:  # noqa: ARG001 - as every task's
    """Change nothing: the threshold is there already."""
    return task


def learned(task: Binary, model: Pipeline, rows: pd.DataFrame) -> Scores:  # noqa: ARG001 - as every task's
    """Return scikit-learn's probability of the positive class, `(n,) float64`."""
    return pipeline.positive(model, rows)


def _seen(labels: pd.Series[Any]) -> list[Any]:
    found = {tasks.plain(value) for value in labels.unique().tolist()} - {None}
    return sorted(found, key=lambda value: (str(type(value)), value))


def _positive(target: Target, classes: tuple[tasks.Label, ...]) -> tasks.Label:
    if target.positive is None and set(classes) == {0, 1}:
        return next(value for value in classes if value == 1)
    if target.positive not in classes:
        raise BadInput(
            "data/contract.yaml does not say which value of the target is the positive one"
            if target.positive is None
            else f"data/contract.yaml: positive {target.positive!r} is not a value of the target",
            expected=f"`positive:` with one of {tasks.shown(classes)}",
            found=repr(target.positive) if target.positive is not None else "no `positive`",
            hint=f"set `positive: {json.dumps(classes[-1], ensure_ascii=False)}` in data/contract.yaml",
        )
    return next(value for value in classes if value == target.positive)


def _refuse_one_class(labels: pd.Series[Any]) -> None:
    classes = sorted({str(tasks.plain(value)) for value in labels.unique().tolist()})
    if classes == ["0", "1"]:
        return
    if len(classes) < 2:
        raise _one_class(f"only {sorted(labels.unique())} in {len(labels):,} rows")
    raise BadInput(
        "the target has other values than 0 and 1",
        expected="0 and 1, or `task` in data/contract.yaml",
        found=tasks.shown(classes),
        hint="set `task` and, for two classes, `positive` in data/contract.yaml",
    )


def _one_class(found: str) -> BadInput:
    return BadInput(
        "the label of the training rows has one class",
        expected="both 0 and 1",
        found=found,
        hint="correct prepare in params.yaml",
    )


def _without(key: str, what: str, other: str) -> BadInput:
    return BadInput(
        f"params.yaml: {key} is given, but the task is binary",
        expected=f"no {key}: {what} is of `task: {other}`",
        found=key,
        hint=f"remove {key} from params.yaml, or correct `task` in data/contract.yaml",
    )

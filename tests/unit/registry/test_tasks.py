"""The gate of several classes and of a number: what passes, and each thing that must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from registry import params, tasks
from registry.baselines import Baseline, BaselineAdvantage
from registry.gate import Champion, ComparedRows, Evidence, judge
from registry.verdict import Rule, Verdict
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Interval, Regression

COUNT, BLOCKS = 1500, 50
COMMON: dict[str, Any] = {
    "confidence": 0.95, "resamples": 200, "seed": 13, "size_bytes": 1000, "latency_p99_ms": 5.0,
}  # fmt: skip
LIMITS: dict[str, dict[str, Any]] = {
    "multiclass": COMMON | {
        "minimum": {"rows": 500, "rarest_class": 100, "blocks": 20},
        "non_inferiority": {"log_loss": 0.02, "roc_auc": 0.01},
        "floors": {"roc_auc": 0.7, "log_loss": 1.0, "balanced_accuracy": 0.5},
        "slices": {"minimum_rows": 100, "minimum_of_a_class": 20, "roc_auc": 0.6},
        "calibration_error": 0.1,
    },
    "regression": COMMON | {
        "minimum": {"rows": 500, "blocks": 20},
        "non_inferiority": {"rmse": 0.05, "mae": 0.05},
        "floors": {"r2": 0.5, "rmse": 0.7, "mae": 0.6},
        "slices": {"minimum_rows": 100, "mae": 0.7},
        "interval_coverage": 0.05,
    },
}  # fmt: skip


def gate(task: str, **changes: Any) -> Any:
    return tasks.of(task).Gate.model_validate(LIMITS[task] | changes)


def rows(task: str, noise: float = 1.0) -> ComparedRows:
    random = np.random.default_rng(1)
    if task == "multiclass":
        logits = 1.5 * random.normal(size=(COUNT, 3))
        truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        target = np.array([random.choice(3, p=p) for p in truth])
        blurred = np.exp(logits + (noise - 1) * random.normal(size=logits.shape))
        answers = blurred / blurred.sum(axis=1, keepdims=True)
        kind: Any = Multiclass(("a", "b", "c"))
    else:
        target = random.normal(size=COUNT)
        answers = target + noise * 0.5 * random.normal(size=COUNT)
        kind = Regression(1.0, -4.0, 4.0, Interval(0.9, 0.8224, 0.8224))
    names = np.array([f"r{i}" for i in range(COUNT)], object)
    days = np.array([f"d{i * BLOCKS // COUNT:02d}" for i in range(COUNT)], object)
    where = np.array([["north", "south"][i % 2] for i in range(COUNT)], object)
    return ComparedRows(names, days, target, answers, answers, {"where": where}, kind)


def evidence(found: ComparedRows, baseline: str = "logistic_regression", **changes: Any) -> Evidence:
    metrics = tasks.of(found.task.name).METRICS
    beaten = {baseline: Baseline(True, {metric: BaselineAdvantage(0.2, 0.1) for metric in metrics})}
    facts: dict[str, Any] = {
        "rows": found, "validation": True, "parity": True, "baselines": beaten, "size_bytes": 900,
        "latency_p99_ms": 0.1,
    }  # fmt: skip
    return Evidence(**(facts | changes))


def failed(verdict: Verdict) -> set[str]:
    return {rule.name for rule in verdict.failures}


def rule(verdict: Verdict, name: str) -> Rule:
    return next(one for one in verdict.rules if one.name == name)


BOTH = pytest.mark.parametrize("task", ["multiclass", "regression"])


@BOTH
def test_a_good_model_passes_with_and_without_a_champion(task: str) -> None:
    found = rows(task)
    for champion in (None, Champion("1", found.row_id, found.answers)):
        verdict = judge(evidence(found), champion, gate(task))
        assert verdict.passed, verdict.failures


@BOTH
def test_a_model_that_is_clearly_worse_than_the_champion_fails_both_comparisons(task: str) -> None:
    found, champion = rows(task, noise=1.6), rows(task)
    verdict = judge(evidence(found), Champion("1", found.row_id, champion.answers), gate(task))
    wanted = {f"non_inferiority.{metric}" for metric in tasks.of(task).METRICS}
    assert wanted <= failed(verdict)


@BOTH
def test_a_better_model_is_better_beyond_doubt(task: str) -> None:
    found, champion = rows(task), rows(task, noise=1.6)
    verdict = judge(evidence(found), Champion("1", found.row_id, champion.answers), gate(task))
    for metric in tasks.of(task).METRICS:
        assert (rule(verdict, f"non_inferiority.{metric}").measured or 0) > 0


@pytest.mark.parametrize(
    ("task", "changes", "name"),
    [
        ("multiclass", {"floors": {"roc_auc": 0.95, "log_loss": 1.0}}, "floors.roc_auc"),
        ("multiclass", {"floors": {"roc_auc": 0.7, "log_loss": 0.1}}, "floors.log_loss"),
        (
            "multiclass",
            {"floors": {"roc_auc": 0.7, "log_loss": 1.0, "balanced_accuracy": 0.99}},
            "floors.balanced_accuracy",
        ),
        ("multiclass", {"minimum": {"rows": 500, "rarest_class": 1000, "blocks": 20}}, "minimum.rarest_class"),
        ("multiclass", {"slices": {"minimum_rows": 100, "minimum_of_a_class": 20, "roc_auc": 0.99}}, "slices.where"),
        ("multiclass", {"slices": {"minimum_rows": 100, "minimum_of_a_class": 900, "roc_auc": 0.5}}, "slices.where"),
        ("multiclass", {"calibration_error": 0.0001}, "calibration_error"),
        ("regression", {"floors": {"r2": 0.9, "rmse": 0.7, "mae": 0.6}}, "floors.r2"),
        ("regression", {"floors": {"r2": 0.5, "rmse": 0.1, "mae": 0.6}}, "floors.rmse"),
        ("regression", {"slices": {"minimum_rows": 100, "mae": 0.1}}, "slices.where"),
        ("regression", {"slices": {"minimum_rows": 5000, "mae": 0.7}}, "slices.where"),
        ("regression", {"minimum": {"rows": 500, "blocks": 200}}, "minimum.blocks"),
    ],
)
def test_each_limit_is_held(task: str, changes: dict[str, Any], name: str) -> None:
    assert failed(judge(evidence(rows(task)), None, gate(task, **changes))) == {name}


def test_an_interval_that_holds_less_or_more_than_it_says_fails() -> None:
    found = rows("regression")
    for width in (0.5, 2.0):
        task = Regression(1.0, -4.0, 4.0, Interval(0.9, width, width))
        verdict = judge(evidence(dataclasses.replace(found, task=task)), None, gate("regression"))
        assert failed(verdict) == {"interval_coverage"}


def test_a_class_without_a_test_row_fails() -> None:
    found = rows("multiclass")
    some = dataclasses.replace(found, target=np.where(found.target == 2, 1, found.target))
    assert "classes" in failed(judge(evidence(some), None, gate("multiclass")))


@pytest.mark.parametrize(
    ("task", "spoil", "words"),
    [
        ("multiclass", lambda a: a * 0.5, "sum to something other than 1"),
        ("multiclass", lambda a: np.where(np.arange(3) == 1, np.nan, a), "no probability"),
        ("regression", lambda a: np.where(np.arange(COUNT) == 7, np.inf, a), "not a finite number"),
    ],
)
def test_answers_that_are_none_are_refused(task: str, spoil: Callable[[np.ndarray], np.ndarray], words: str) -> None:
    found = rows(task)
    spoiled = dataclasses.replace(found, answers=spoil(found.answers))
    verdict = judge(evidence(spoiled), None, gate(task))
    assert failed(verdict) == {"rows"}
    assert words in verdict.rules[0].reason
    champion = Champion("1", found.row_id, spoiled.answers)
    metrics = tasks.of(task).METRICS
    assert failed(judge(evidence(found), champion, gate(task))) == {f"non_inferiority.{name}" for name in metrics}


@BOTH
def test_a_target_of_one_value_proves_nothing(task: str) -> None:
    found = rows(task)
    same = dataclasses.replace(found, target=np.zeros_like(found.target))
    assert failed(judge(evidence(same), None, gate(task))) == {"rows"}


@BOTH
def test_what_evaluate_reported_is_what_the_graph_gives(task: str) -> None:
    found = rows(task)
    for reported in (None, found.answers[:-1], found.answers + 3 * found.task.tolerance):
        other = dataclasses.replace(found, reported=reported)
        assert failed(judge(evidence(other), None, gate(task))) == {"predictions"}


@BOTH
def test_few_rows_get_wide_margins_and_never_too_wide(task: str) -> None:
    target = rows(task).target
    few, many = (tasks.of(task).fitting(np.tile(target, times)) for times in (1, 4))
    for metric in tasks.of(task).METRICS:
        assert 0 < getattr(many, metric) <= getattr(few, metric)


@pytest.mark.parametrize(("task", "other"), [("multiclass", "regression"), ("regression", "binary")])
def test_the_limits_of_another_task_are_refused(task: str, other: str) -> None:
    with pytest.raises(ValidationError):
        params.sections(other).model_validate({"model": {"name": "m"}, "gate": LIMITS[task]})

"""What each task answers, and what it refuses to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from slipway import task as words
from slipway import tasks
from slipway.errors import BadInput
from slipway.task import Task
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Interval, Regression

YES = Binary(("no", "yes"), 0.25)
WINES = Multiclass((1, 2, 3))
PRICE = Regression(10.0, 0.0, 50.0, Interval(0.9, 2.0, 3.0), "euro")
EVERY = [Binary(), YES, WINES, PRICE]


def some(task: Task, rows: int = 5) -> np.ndarray:
    random = np.random.default_rng(2)
    if task.shape:
        return random.dirichlet(np.ones(task.width), rows).astype(np.float32)
    return random.random(rows).astype(np.float32)


@pytest.mark.parametrize("task", EVERY)
def test_what_schema_json_says_is_read_back(task: Task) -> None:
    assert tasks.read(task.described()) == task


@pytest.mark.parametrize("task", EVERY)
def test_rows_columns_and_tensors_are_one_answer(task: Task) -> None:
    scores = some(task)
    rows, columns = task.rows(scores), task.columns(scores)
    assert [task.read(row) for row in rows] == scores.tolist()
    assert set(rows[0]) == set(columns) == set(task.properties(""))
    for name, values in columns.items():
        if isinstance(values, dict):
            values = [dict(zip(values, one, strict=True)) for one in zip(*values.values(), strict=True)]
        assert values == [row[name] for row in rows]
    assert all(len(values) == len(scores) for values in task.tensors(scores).values())
    assert np.array_equal(task.expected({task.golden: scores.tolist()}), scores)


@pytest.mark.parametrize("task", EVERY)
def test_numbers_that_are_watched_have_buckets(task: Task) -> None:
    for name, values in task.watched(some(task)).items():
        assert (values.dtype.kind == "f") == (name in task.edges)


def test_the_threshold_is_the_least_probability_of_the_positive_class() -> None:
    assert YES.columns(np.array([0.2, 0.25, 0.9], np.float32))["label"] == ["no", "yes", "yes"]
    assert YES.settings == {"threshold": 0.25}
    assert YES.targets(["yes", "no"]).tolist() == [1, 0]


def test_version_1_has_a_probability_and_no_label() -> None:
    assert Binary().rows(np.array([0.5], np.float32)) == [{"probability": 0.5}]
    assert Binary(answer="risk").rows(np.array([0.5], np.float32)) == [{"risk": 0.5}]
    assert (Binary().settings, Binary().described()) == ({}, None)


def test_the_most_probable_class_is_the_label() -> None:
    [row] = WINES.rows(np.array([[0.25, 0.5, 0.25]], np.float32))
    assert row == {"label": 2, "probabilities": {"1": 0.25, "2": 0.5, "3": 0.25}}
    assert WINES.tensors(np.array([[0.25, 0.5, 0.25]], np.float32))["label"].dtype == np.int64


def test_the_interval_lies_around_the_value() -> None:
    assert PRICE.rows(np.array([10.0], np.float32)) == [{"value": 10.0, "low": 8.0, "high": 13.0}]


@pytest.mark.parametrize(
    "described",
    [
        {"name": "ranking"},
        {},
        {"name": "binary", "classes": ["a", "b"], "positive": "a", "threshold": 0.5},
        {"name": "binary", "classes": ["a", "b"], "positive": "b", "threshold": 1.5},
        {"name": "binary", "classes": ["a", "b", "c"], "positive": "b", "threshold": 0.5},
        {"name": "multiclass"},
        {"name": "multiclass", "classes": "ab"},
        {"name": "multiclass", "classes": {"a": 1, "b": 2}},
        {"name": "multiclass", "classes": ["a", "a"]},
        {"name": "multiclass", "classes": [1, "1"]},
        {"name": "multiclass", "classes": ["a", 1.5]},
        {"name": "multiclass", "classes": ["a", ""]},
        {"name": "regression"},
        PRICE.described() | {"minimum": 10**400},  # type: ignore[operator]
        PRICE.described() | {"interval": [0.9, 1, 1]},  # type: ignore[operator]
        PRICE.described() | {"interval": {"coverage": 1.0, "below": 1, "above": 1}},  # type: ignore[operator]
        PRICE.described() | {"standard_deviation": float("nan")},  # type: ignore[operator]
        PRICE.described() | {"interval": {"coverage": 0.9, "below": 1, "above": -2}},  # type: ignore[operator]
    ],
)
def test_a_task_that_nobody_could_answer_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        tasks.read(described)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        (Binary(), ["yes", "no"]),
        (YES, ["yes", None]),
        (YES, ["yes", float("nan")]),
        (WINES, [1, 4]),
        (PRICE, [1.0, float("inf")]),
        (PRICE, [1.0, "12"]),
        (PRICE, [True, False]),
    ],
)
def test_a_target_that_is_not_the_tasks_is_refused(task: Task, labels: list[Any]) -> None:
    with pytest.raises(BadInput):
        task.targets(np.array(labels, object))


def test_a_column_of_whole_floats_holds_whole_numbers() -> None:
    assert WINES.targets(np.array([1.0, 3.0])).tolist() == [0, 2]
    assert words.plain(np.float32(2)) == 2
    assert words.plain(np.nan) is None


@pytest.mark.parametrize(
    ("task", "scores"),
    [(YES, [0.5, 1.5]), (WINES, [[0.5, 0.5, 0.5]]), (WINES, [[float("nan"), 0.5, 0.5]]), (PRICE, [float("inf")])],
)
def test_what_cannot_be_an_answer_is_named(task: Task, scores: list[Any]) -> None:
    assert task.refusal(np.array(scores, np.float32))
    assert task.refusal(some(task)) is None


def test_only_models_of_one_question_are_compared() -> None:
    assert Binary().comparable(YES)
    assert not YES.comparable(Binary(("yes", "no")))
    assert not WINES.comparable(Multiclass((1, 2, 4)))
    assert not PRICE.comparable(Binary())

"""Each task's training: estimators by name, thresholds, intervals, baselines, and what is refused before a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.errors import BadInput
from slipway.tasks.binary import Binary
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Interval, Regression
from training import baselines, convert, graph, held_out, params, parity, tasks, train
from training.contract import Target
from training.features import CATEGORICAL, NUMERIC
from training.params import Train
from training.tasks import binary, regression

CLASSES = ["low", "middle", "high"]


def rows(count: int = 600, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    numeric = {f.name: random.uniform(0, 100, count).astype(np.float32) for f in NUMERIC}
    strings = {f.name: random.choice(["A", "B", "C"], count) for f in CATEGORICAL}
    frame = pd.DataFrame({**numeric, **strings})
    frame.loc[::7, "temp"] = np.nan
    value = frame["departure_minute"] + 30 * (frame["carrier"] == "A") + random.normal(0, 10, count)
    return frame.assign(value=value, label=value, block=[f"b{i // 3}" for i in range(count)])


def classified(count: int = 600, seed: int = 0) -> pd.DataFrame:
    given = rows(count, seed)
    return given.assign(label=pd.cut(given["value"], [-np.inf, 40, 80, np.inf], labels=CLASSES).astype(str))


def with_train(name: str, hyperparameters: dict[str, Any] | None = None, **others: Any) -> params.Params:
    chosen = params.load()
    fields = {"estimator": name, "seed": 13, "threads": 2, "hyperparameters": {name: hyperparameters or {}}}
    return chosen.model_copy(update={"train": Train.model_validate(fields | others)})


ESTIMATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "HistGradientBoostingRegressor": ("regression", {"max_iter": 15}),
    "RandomForestRegressor": ("regression", {"n_estimators": 10}),
    "GradientBoostingRegressor": ("regression", {"n_estimators": 10}),
    "Ridge": ("regression", {}),
    "LinearRegression": ("regression", {}),
    "SVR": ("regression", {}),
    "KNeighborsRegressor": ("regression", {}),
    "HistGradientBoostingClassifier": ("multiclass", {"max_iter": 15}),
    "LogisticRegression": ("multiclass", {"max_iter": 500}),
    "RandomForestClassifier": ("multiclass", {"n_estimators": 10}),
    "LinearDiscriminantAnalysis": ("multiclass", {}),
    "GaussianNB": ("multiclass", {}),
    "KNeighborsClassifier": ("multiclass", {}),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_graph_of_every_task_answers_as_the_pipeline_does(name: str) -> None:
    task, hyperparameters = ESTIMATORS[name]
    given = rows() if task == "regression" else classified()
    made = train.fit(with_train(name, hyperparameters), given, Target(task=task))
    session = graph.session(convert.to_onnx(made.model, made.task))
    assert [(one.name, one.shape[1]) for one in session.get_outputs()] == [(made.task.output, made.task.width)]
    asked = rows(seed=1)
    asked.loc[0, "carrier"] = "never seen"
    ours = graph.predict(session, asked, made.task).astype(np.float64)
    theirs = np.asarray(tasks.of(task).learned(made.task, made.model, asked))
    found = parity.compare(ours, theirs.astype(np.float64), made.task, {})
    assert found["passed"], found
    assert ours.std() > 0.01


def test_the_interval_holds_what_it_says_on_new_rows() -> None:
    chosen = with_train("Ridge", interval={"coverage": 0.8, "share": 0.4})
    made = train.fit(chosen, rows(3000), Target(task="regression", unit="minute"))
    assert made.held is not None
    assert made.held_target is not None
    assert not set(made.held["block"]) & set(rows(3000).drop(made.held.index)["block"])
    session = graph.session(convert.to_onnx(made.model, made.task))
    task = regression.settle(made.task, made.held_target, graph.predict(session, made.held, made.task))  # type: ignore[arg-type]
    new = rows(3000, seed=5)
    low, high = task.limits(graph.predict(session, new, task))
    assert ((new["label"] >= low) & (new["label"] <= high)).mean() == pytest.approx(0.8, abs=0.03)


def test_the_ends_of_the_interval_are_the_errors_of_their_rank() -> None:
    task = Regression(1.0, 0.0, 1.0, Interval(0.8, 0.0, 0.0))
    settled = regression.settle(task, np.arange(19.0), np.zeros(19))
    # 19 rows: the 18th smallest of each side, (19 + 1) * 0.9.
    assert (settled.interval.above, settled.interval.below) == (17.0, -1.0)


def test_the_threshold_is_where_errors_cost_least() -> None:
    target, probability = np.array([0, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.9])
    assert binary.cheapest(target, probability, 1, 5) == pytest.approx((0.225, 1 / 6))
    assert binary.cheapest(target, probability, 5, 1) == pytest.approx((0.55, 1 / 6))


def test_among_thresholds_of_one_cost_the_one_that_the_costs_ask_for_is_taken() -> None:
    target, probability = np.array([0, 0, 1, 1]), np.array([0.05, 0.1, 0.9, 0.95])
    assert binary.cheapest(target, probability, 1, 1) == pytest.approx((0.5, 0.0))
    assert binary.cheapest(target, probability, 1, 4) == pytest.approx((0.3, 0.0))
    assert binary.cheapest(target, probability, 4, 1) == pytest.approx((0.7, 0.0))
    assert binary.cheapest(np.array([0, 1]), np.array([0.0, 1.0]), 1, 3) == pytest.approx((0.25, 0.0))
    assert binary.cheapest(np.array([0, 1]), np.array([0.5, 0.5]), 1, 3)[1] == 0.5


def test_a_threshold_that_costs_give_divides_calibrated_probabilities_by_their_ratio() -> None:
    random = np.random.default_rng(0)
    probability = random.random(40_000)
    target = (random.random(40_000) < probability).astype(int)
    threshold, _ = binary.cheapest(target, probability, 1, 4)
    assert threshold == pytest.approx(0.2, abs=0.03)


def test_held_out_blocks_are_whole_and_by_time_the_last() -> None:
    of_row = np.repeat([f"2013-01-{day:02d}" for day in range(1, 21)], 7)
    by_time = held_out.blocks(of_row, 0.25, "time", 0)
    assert set(of_row[by_time]) == {f"2013-01-{day:02d}" for day in range(16, 21)}
    drawn = held_out.blocks(of_row, 0.25, "block", 0)
    assert drawn.sum() == by_time.sum()
    assert not set(of_row[drawn]) & set(of_row[~drawn])
    with pytest.raises(BadInput, match="too few blocks"):
        held_out.blocks(np.array(["one", "one"]), 0.2, "block", 0)


@pytest.mark.parametrize(
    ("changes", "target", "label", "words"),
    [
        ({}, {}, ["a", "b"], "`task` in data/contract.yaml"),
        ({}, {"task": "binary"}, ["a", "b"], "`positive:` with one of"),
        ({}, {"task": "binary", "positive": "c"}, ["a", "b"], "positive 'c' is not a value"),
        ({}, {"task": "binary", "positive": "a"}, ["a", "b", "c"], "3 classes"),
        ({}, {"task": "binary", "positive": "a", "classes": ["a", "b"]}, ["a", "a"], "one class"),
        ({}, {"task": "multiclass"}, ["a", "a"], "1 class"),
        ({}, {"task": "multiclass", "classes": ["a", "b", "c"]}, ["a", "b"], "lists a class that no training row has"),
        ({}, {"task": "multiclass"}, [1.5, 2.5], "cannot be a class"),
        ({}, {"task": "multiclass"}, ["a", "b", None], "not a class, in row 2"),
        ({"interval": {}}, {"task": "multiclass"}, ["a", "b"], "train.interval is given"),
        ({"decision": {"threshold": 0.4}}, {"task": "regression"}, [1.0, 2.0], "train.decision is given"),
        ({"interval": {}}, {"task": "binary"}, [0, 1], "train.interval is given"),
        ({}, {"task": "regression"}, [1.0, 1.0], "one value"),
        ({}, {"task": "regression"}, [1.0, None], "not a finite number in row 1"),
        ({}, {"task": "regression"}, [1.0, 2.0], "too few rows are held out"),
    ],
)
def test_a_target_that_the_task_cannot_have_is_refused(
    changes: dict[str, Any], target: dict[str, Any], label: list[Any], words: str
) -> None:
    name = "Ridge" if target.get("task") == "regression" else "LogisticRegression"
    given = rows(len(label)).assign(label=label, block=[f"b{i}" for i in range(len(label))])
    with pytest.raises(BadInput) as caught:
        train.fit(with_train(name, **changes), given, Target.model_validate(target))
    assert words in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(("name", "task"), [("Ridge", "multiclass"), ("LogisticRegression", "regression")])
def test_an_estimator_of_another_task_is_refused_by_name(name: str, task: str) -> None:
    with pytest.raises(BadInput, match=f"train.estimator {name} is not a scikit-learn"):
        train.fit(with_train(name), rows(30), Target(task=task))


def test_a_target_of_zero_and_one_without_a_word_has_no_label() -> None:
    given = rows(60).assign(label=lambda frame: (frame["value"] > 50).astype(int))
    assert train.fit(with_train("LogisticRegression"), given).task == Binary()
    named = train.fit(with_train("LogisticRegression"), given, Target(task="binary")).task
    assert named == Binary((0, 1))
    decided = train.fit(with_train("LogisticRegression", decision={"threshold": 0.3}), given).task
    assert decided == Binary((0, 1), 0.3)


def test_the_baselines_say_what_the_cell_was_in_the_past() -> None:
    past, now = classified(300), classified(30, seed=1)
    task = Multiclass(tuple(CLASSES))
    past, now = (given.assign(label=task.targets(given["label"].to_numpy())) for given in (past, now))
    rates = baselines.rates(past, now, 3)
    assert rates.sum(axis=1) == pytest.approx(np.ones(30))
    numbers = rows(300)
    assert baselines.cell(numbers, numbers.assign(carrier="Z"), "median") == pytest.approx(
        np.full(300, numbers["label"].median())
    )

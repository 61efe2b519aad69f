"""Each task's metrics against scikit-learn, on the sample and on draws of its blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as known

from slipway import metrics
from slipway.metrics import multiclass, regression
from slipway.scores import Resamples, interval, resample
from slipway.tasks.multiclass import Multiclass
from slipway.tasks.regression import Interval, Regression

ROWS, CLASSES = 600, 4
TASK = Multiclass(("a", "b", "c", "d"))
NUMBER = Regression(1.0, -3.0, 3.0, Interval(0.8, 0.7, 0.9))


@pytest.fixture(scope="module")
def classes() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    target = random.choice(CLASSES, ROWS, p=[0.5, 0.3, 0.15, 0.05])
    logits = random.normal(size=(ROWS, CLASSES)) + 1.5 * np.eye(CLASSES)[target]
    answers = np.exp(logits).round(2)  # with ties
    return target, answers / answers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def numbers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    target = random.normal(size=ROWS)
    return target, (target + random.normal(scale=0.5, size=ROWS)).astype(np.float32).astype(np.float64)


def drawn(count: int = 200) -> Resamples:
    return resample(np.arange(ROWS) // 5, count, seed=1)


def repeated(draws: Resamples, number: int) -> np.ndarray:
    return np.repeat(np.arange(ROWS), draws.draws[number][draws.index].astype(int))


MULTICLASS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "roc_auc": lambda y, p: known.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    "balanced_accuracy": lambda y, p: known.balanced_accuracy_score(y, p.argmax(axis=1)),
    "log_loss": lambda y, p: known.log_loss(y, p, labels=range(CLASSES)),
    "brier": lambda y, p: float(((p - np.eye(CLASSES)[y]) ** 2).sum(axis=1).mean()),
}


@pytest.mark.parametrize("name", MULTICLASS)
def test_a_metric_of_classes_is_scikit_learns(name: str, classes: tuple[np.ndarray, np.ndarray]) -> None:
    found = multiclass.scores(TASK, *classes, drawn(0))[name]
    assert found[0] == pytest.approx(MULTICLASS[name](*classes), abs=1e-9)


@pytest.mark.parametrize("name", MULTICLASS)
def test_a_draw_of_blocks_is_measured_as_its_rows_are(name: str, classes: tuple[np.ndarray, np.ndarray]) -> None:
    """Means exactly; what is carried to first order, nearly, and so the interval."""
    target, answers = classes
    draws = drawn()
    found = multiclass.scores(TASK, target, answers, draws)[name]
    exact = np.array([MULTICLASS[name](target[r], answers[r]) for r in (repeated(draws, n) for n in range(201))])
    assert np.abs(found - exact).max() < (1e-9 if name in ("log_loss", "brier") else 0.15 * np.ptp(exact))
    ours, theirs = interval(found, 0.9), interval(exact, 0.9)
    width = theirs["high"] - theirs["low"]
    assert ours["low"] == pytest.approx(theirs["low"], abs=0.15 * width)
    assert ours["high"] == pytest.approx(theirs["high"], abs=0.15 * width)


def test_the_top_class_is_calibrated_where_it_is_right_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    answers = random.dirichlet([1.0, 1.0, 1.0, 1.0], 20_000)
    target = np.array([random.choice(CLASSES, p=p) for p in answers])
    whole = resample(np.zeros(len(target)), 0, 0)
    assert multiclass.scores(TASK, target, answers, whole)["calibration_error"][0] < 0.02
    sure = np.eye(CLASSES)[answers.argmax(axis=1)]
    wrong = multiclass.scores(TASK, target, sure, whole)["calibration_error"][0]
    assert wrong == pytest.approx((answers.argmax(axis=1) != target).mean(), abs=1e-9)


def test_a_class_that_no_row_has_takes_no_part(classes: tuple[np.ndarray, np.ndarray]) -> None:
    target, answers = classes
    some = target != 3
    found = multiclass.scores(TASK, target[some], answers[some], resample(np.zeros(some.sum()), 0, 0))
    areas = [known.roc_auc_score(target[some] == place, answers[some, place]) for place in range(3)]
    assert found["roc_auc"][0] == pytest.approx(np.mean(areas))
    one = multiclass.scores(
        TASK, target[target == 0], answers[target == 0], resample(np.zeros((target == 0).sum()), 0, 0)
    )
    assert np.isnan(one["roc_auc"][0])


REGRESSION: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "rmse": known.root_mean_squared_error,
    "mae": known.mean_absolute_error,
    "median_absolute_error": known.median_absolute_error,
    "r2": known.r2_score,
    "pinball_loss": lambda y, p: (
        (known.mean_pinball_loss(y, p - 0.7, alpha=0.1) + known.mean_pinball_loss(y, p + 0.9, alpha=0.9)) / 2
    ),
    "interval_coverage": lambda y, p: float(((y >= p - 0.7) & (y <= p + 0.9)).mean()),
    "interval_width": lambda y, p: 1.6,  # noqa: ARG005 - as the others
}


@pytest.mark.parametrize("name", REGRESSION)
def test_a_metric_of_a_number_is_scikit_learns_on_every_draw(name: str, numbers: tuple[np.ndarray, np.ndarray]) -> None:
    target, answers = numbers
    draws = drawn(30)
    found = regression.scores(NUMBER, target, answers, draws)[name]
    exact = [REGRESSION[name](target[r], answers[r]) for r in (repeated(draws, number) for number in range(31))]
    assert found == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("module", [multiclass, regression])
def test_what_is_compared_row_by_row_has_the_metric_as_its_mean(
    module: object, classes: tuple[np.ndarray, np.ndarray], numbers: tuple[np.ndarray, np.ndarray]
) -> None:
    task, given = (TASK, classes) if module is multiclass else (NUMBER, numbers)
    parts = (multiclass if module is multiclass else regression).parts(*given)
    whole = metrics.of(task).scores(task, *given, drawn(0))
    for name, values in parts.items():
        assert values.mean() == pytest.approx(whole[name][0]), name


def test_an_advantage_is_positive_when_the_model_is_better_whatever_the_metrics_direction() -> None:
    one, other = np.array([0.3]), np.array([0.4])
    assert metrics.advantage(metrics.of(NUMBER), "rmse", one, other)[0] > 0
    assert metrics.advantage(metrics.of(NUMBER), "r2", other, one)[0] > 0
    assert metrics.advantage(metrics.of(TASK), "log_loss", one, other)[0] > 0
    assert metrics.advantage(metrics.of(TASK), "roc_auc", other, one)[0] > 0

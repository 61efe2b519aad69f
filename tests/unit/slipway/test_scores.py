import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from slipway.scores import interval, resample, scores


def sample(seed: int, rows: int = 400, digits: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows)
    label[:2] = [0, 1]
    probability = np.round(np.clip(0.3 * label + 0.6 * random.random(rows), 0.1, 0.9), digits)
    return label, probability, random.integers(0, 12, rows)


@given(seed=st.integers(0, 10_000), digits=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_every_draw_equals_scikit_learn_with_weights(seed: int, digits: int) -> None:
    label, probability, block = sample(seed, digits=digits)
    drawn = resample(block, resamples=3, seed=seed)
    found = scores(label, probability, drawn)
    for number, draw in enumerate(drawn.draws):
        weight = draw[drawn.index]
        expected = {
            "roc_auc": metrics.roc_auc_score(label, probability, sample_weight=weight),
            "average_precision": metrics.average_precision_score(label, probability, sample_weight=weight),
            "log_loss": metrics.log_loss(label, probability, sample_weight=weight),
            "brier": metrics.brier_score_loss(label, probability, sample_weight=weight),
        }
        for name, value in expected.items():
            assert found[name][number] == pytest.approx(value, abs=1e-9), name


def test_a_draw_takes_whole_blocks() -> None:
    drawn = resample(np.array(["b", "a", "b"]), resamples=50, seed=1)
    assert drawn.blocks == 2
    assert drawn.index.tolist() == [1, 0, 1]
    assert drawn.draws[0].tolist() == [1, 1]
    assert (drawn.draws.sum(axis=1) == 2).all()


def test_days_that_differ_widen_the_interval() -> None:
    random = np.random.default_rng(5)
    day = np.repeat(np.arange(40), 100)
    rate = random.choice([0.05, 0.6], 40)[day]
    label = (random.random(len(day)) < rate).astype(int)
    constant = np.full(len(day), 0.3)
    by_day = interval(scores(label, constant, resample(day, 500, 1))["log_loss"], 0.95)
    by_row = interval(scores(label, constant, resample(np.arange(len(day)), 500, 1))["log_loss"], 0.95)
    assert (by_day["high"] - by_day["low"]) > 3 * (by_row["high"] - by_row["low"])


def test_perfect_calibration_has_no_error_and_a_shift_is_measured() -> None:
    label = np.tile([0, 0, 0, 1], 250)
    alone = resample(np.zeros(1000), 0, 1)
    assert scores(label, np.full(1000, 0.25), alone)["calibration_error"][0] == pytest.approx(0)
    assert scores(label, np.full(1000, 0.35), alone)["calibration_error"][0] == pytest.approx(0.1)


def test_one_class_has_no_ranking() -> None:
    found = scores(np.zeros(5, dtype=int), np.linspace(0.1, 0.5, 5), resample(np.zeros(5), 0, 1))
    assert np.isnan(found["roc_auc"][0])
    assert np.isfinite(found["log_loss"][0])

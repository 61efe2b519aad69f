from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import gate_error_rates as rates
from registry import area
from registry.area import difference, ordered_pairs
from registry.noninferiority import _loss, advantages, expanded_tail, student_t
from slipway.scores import resample, scores


@settings(max_examples=100, deadline=None)
@given(
    label=st.lists(st.integers(0, 1), min_size=2, max_size=60),
    levels=st.integers(1, 20),
    blocks=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_counting_pairs_by_block_equals_walking_the_rows(label: list[int], levels: int, blocks: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.array(label)
    probability = random.integers(0, levels + 1, len(label)) / levels  # many ties
    drawn = resample(random.integers(0, blocks, len(label)), 20, seed)
    pairs = ordered_pairs(truth, probability, drawn.index, drawn.blocks)
    hits = np.bincount(drawn.index, weights=truth, minlength=drawn.blocks)
    misses = np.bincount(drawn.index, weights=1 - truth, minlength=drawn.blocks)
    with np.errstate(invalid="ignore"):
        fast = np.einsum("ra,ab,rb->r", drawn.draws, pairs, drawn.draws)
        fast /= (drawn.draws @ hits) * (drawn.draws @ misses)
    slow = scores(truth, probability, drawn)["roc_auc"]
    np.testing.assert_allclose(fast, slow, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(less=st.floats(0, 0.9), more=st.floats(0, 0.9), seed=st.integers(0, 1000))
def test_moving_every_row_towards_its_label_never_lowers_the_advantage(less: float, more: float, seed: int) -> None:
    less, more = sorted((less, more))
    random = np.random.default_rng(seed)
    label, (champion, start) = random.integers(0, 2, 100), random.uniform(0.05, 0.95, (2, 100))
    drawn = resample(random.integers(0, 10, 100), 1, seed)
    before, after = (
        advantages(label, start + share * (label - start), champion, drawn, 0.95) for share in (less, more)
    )
    for metric in before:
        assert after[metric].value >= before[metric].value - 1e-12


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_the_standard_error_is_the_spread_of_the_draws(metric: str) -> None:
    sample = rates.draw(rates.WORSE, 200, np.random.default_rng(3))
    drawn = resample(sample.block, 2000, 3)
    estimate = {"log_loss": _loss, "roc_auc": difference}[metric]
    value, error = estimate(sample.label, sample.challenger, sample.champion, drawn)
    assert error[0] == pytest.approx(value[1:].std(), rel=0.1)


def test_two_models_that_never_differ_are_exactly_equal() -> None:
    block, label, p = np.repeat(np.arange(20), 5), np.tile([0, 1, 0, 0, 1], 20), np.full(100, 0.4)
    found = advantages(label, p, p, resample(block, 100, 1), 0.95)
    assert {(one.value, one.low) for one in found.values()} == {(0.0, 0.0)}


def test_the_bound_widens_with_fewer_blocks() -> None:
    tails = [expanded_tail(0.95, blocks) for blocks in (10, 30, 100, 10_000)]
    assert tails == sorted(tails)
    assert tails[-1] == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("freedom", "quantile"), [(9, -1.83311), (29, -1.69913), (60, -1.67065), (120, -1.65765)])
def test_student_t_agrees_with_the_printed_tables(freedom: int, quantile: float) -> None:
    assert student_t(0.05, freedom) == pytest.approx(quantile, abs=1e-4)


def test_a_draw_with_one_class_counts_as_the_worst() -> None:
    block = np.repeat([0, 1], 10)
    label = (block == 0).astype(int)  # half of the draws hold one class only
    p, q = np.random.default_rng(1).random((2, 20))
    assert advantages(label, p, q, resample(block, 200, 1), 0.95)["roc_auc"].low == -np.inf


@pytest.mark.parametrize("blocks", [30, pytest.param(61, marks=pytest.mark.long)])
def test_a_challenger_worse_by_the_margin_passes_no_more_often_than_stated(blocks: int) -> None:
    trials = 300
    found = rates.pass_rates(rates.WORSE, rates.true_margins(), blocks, trials, resamples=200)
    allowed = 0.05 + 2.6 * (0.05 * 0.95 / trials) ** 0.5
    assert found["log_loss"] <= allowed
    assert found["roc_auc"] <= allowed
    assert found["gate"] <= allowed


@pytest.mark.long
def test_drawing_rows_instead_of_blocks_would_break_that() -> None:
    margin = rates.true_margins()["log_loss"]
    assert rates.pass_rate_by_row(margin, 61, 300) > 0.15


@pytest.mark.long
def test_a_better_challenger_passes_at_the_stated_power() -> None:
    found = rates.pass_rates(rates.BETTER, rates.MARGINS, 61, 100, resamples=200)
    assert found["gate"] >= 0.95


def test_a_comparison_of_the_flights_size_stays_small() -> None:
    """A thousand draws cost less than thirty walks over the rows: the draws must not touch the rows."""
    random = np.random.default_rng(1)
    label, probability = random.integers(0, 2, 55_000), random.random(55_000)
    walks = resample(random.integers(0, 61, 55_000), 30, seed=1)
    started = time.process_time()
    scores(label, probability, walks)
    walking = time.process_time() - started
    started = time.process_time()
    rates.timing()
    assert time.process_time() - started < 10 * walking


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(2, 80), levels=st.integers(1, 30), blocks=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_the_matrix_of_few_blocks_and_the_walk_of_many_agree_to_the_last_bit(
    rows: int, levels: int, blocks: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, rows)
    challenger, champion = random.integers(0, levels + 1, (2, rows)) / levels  # many ties
    drawn = resample(random.integers(0, blocks, rows), 30, seed)
    found = []
    for most in (0, 10_000):
        with pytest.MonkeyPatch.context() as patch, np.errstate(divide="ignore", invalid="ignore"):
            patch.setattr(area, "MOST_BLOCKS", most)
            patch.setattr(area, "CELLS_A_ROW", 10_000)
            patch.setattr(area, "CELLS", 100)  # a few draws a chunk
            found.append(difference(label, challenger, champion, drawn))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_memory_is_bounded_where_every_row_is_a_block_of_its_own() -> None:
    random = np.random.default_rng(1)
    label, (challenger, champion) = random.integers(0, 2, 5000), random.random((2, 5000))
    drawn = resample(np.arange(5000), 50, 1)
    tracemalloc.start()
    try:
        advantages(label, challenger, champion, drawn, 0.95)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    matrix = 8 * drawn.blocks**2
    assert peak < matrix / 2, f"{peak / 2**20:.0f} MiB; one matrix of pairs would take {matrix / 2**20:.0f}"


def test_draws_are_those_that_one_call_would_give() -> None:
    drawn = resample(np.arange(300), 40, 9).draws
    at_once = np.random.default_rng(9).multinomial(300, np.full(300, 1 / 300), size=40)
    np.testing.assert_array_equal(drawn, np.vstack([np.ones(300), at_once]))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.bins import Categories, Numbers, categories, numbers
from monitoring.drift import judge, runs, stability_index

RANDOM = np.random.default_rng(7)


def test_equal_shares_have_no_index_and_it_grows_with_the_difference() -> None:
    expected = np.array([100, 200, 700])
    assert stability_index(expected, expected * 3) == pytest.approx(0, abs=1e-4)
    near, far = stability_index(expected, np.array([[110, 200, 690], [400, 300, 300]]))
    assert 0 < near < 0.01
    assert far > 0.5


def test_the_index_is_the_formula_s() -> None:
    e, f = np.array([0.5, 0.5]), np.array([0.8, 0.2])
    by_hand = float(((f - e) * np.log(f / e)).sum())
    assert stability_index(np.array([50_000, 50_000]), np.array([80_000, 20_000])) == pytest.approx(by_hand, rel=1e-3)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=12), st.lists(st.integers(0, 1000), min_size=2, max_size=12))
def test_an_index_is_finite_and_never_negative(expected: list[int], found: list[int]) -> None:
    size = min(len(expected), len(found))
    index = stability_index(np.array(expected[:size]), np.array(found[:size]))
    assert np.isfinite(index)
    assert index >= -1e-12


def test_a_number_falls_between_deciles_and_what_is_missing_into_the_last() -> None:
    bins = numbers(np.arange(1, 101, dtype=float))
    assert bins.size == 11
    places = bins.places(np.array([-1e9, 1e9, np.nan]))
    assert places.tolist() == [0, 9, 10]


def test_a_constant_and_an_empty_column_have_bins() -> None:
    assert numbers(np.full(50, 3.0)).places(np.array([2.9, 3.0, 3.1, np.nan])).tolist() == [0, 1, 2, 3]
    assert numbers(np.full(50, np.nan)) == Numbers(())
    assert Numbers(()).places(np.array([1.0, np.nan])).tolist() == [0, 1]


def test_a_value_that_many_rows_have_stays_in_its_bin_when_its_last_digits_are_lost() -> None:
    measured = np.round(RANDOM.integers(3, 30, 10_000) * 1.150779, 7)  # whole knots, in miles an hour
    bins = numbers(measured)
    exact = bins.places(measured)
    assert (bins.places(measured.astype(np.float32)) == exact).all()
    assert (bins.places(np.round(measured, 4)) == exact).all()
    assert np.bincount(exact).min() > 500


def test_rare_and_new_categories_share_a_bin() -> None:
    bins = categories([*"aaabbc", None, "", *(f"rare{n}" for n in range(20))])
    assert bins.names[:2] == ("a", "b")
    assert bins.size == 11
    assert bins.places(np.array(["a", "never seen", None, ""], dtype=object)).tolist() == [0, 9, 10, 10]
    assert Categories(()).places(np.array(["x", None], dtype=object)).tolist() == [0, 1]


def test_runs_count_neighbouring_blocks() -> None:
    assert runs(np.array([[1, 0], [2, 1], [3, 5]]), 2).tolist() == [[3, 1], [5, 6]]


def by_day(shift: float, days: int = 60, rows: int = 200) -> np.ndarray:
    """Days that differ among themselves by `shift`, as weather does."""
    centres = RANDOM.normal(0, shift, days)
    bins = numbers(RANDOM.normal(0, 1 + shift, 5000))
    return np.stack([np.bincount(bins.places(RANDOM.normal(c, 1, rows)), minlength=bins.size) for c in centres])


def test_a_week_like_the_weeks_before_is_no_drift_however_unlike_the_whole() -> None:
    weather = by_day(shift=2.0)
    week = weather[20:27].sum(axis=0)
    judged = judge("temp", weather, week, 7, 0.01)
    assert judged.index > 0.01
    assert not judged.drifted


def test_one_row_more_or_less_is_no_drift_and_another_world_is() -> None:
    calm = by_day(shift=0.0)
    assert not judge("x", calm, by_day(shift=0.0, days=1, rows=500)[0], 1, 0.2).drifted
    moved = np.zeros(calm.shape[1], dtype=np.int64)
    moved[0] = 500
    judged = judge("x", calm, moved, 1, 0.2)
    assert judged.drifted
    gone = np.zeros(calm.shape[1], dtype=np.int64)
    gone[-1] = 500
    assert judge("x", calm, gone, 1, 0.2).missing_now == 1.0


def test_few_rows_must_differ_more() -> None:
    calm = by_day(shift=0.0)
    few, many = (judge("x", calm, np.full(calm.shape[1], n), 1, 0.2) for n in (3, 3000))
    assert few.limit > many.limit

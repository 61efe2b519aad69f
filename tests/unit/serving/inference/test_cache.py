"""The cache's own rules; Redis, real, forged and gone, is in the integration tests."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving.inference.cache import MOST_ROWS, Cache
from serving.input.validation import Batch
from slipway.breaker import Breaker

DIGEST, OTHER = "ab" * 32, "cd" * 32
SCORES = np.array([0.25], np.float32)


def cache(digest: str = DIGEST, entries: int = 2, seconds: int = 60) -> Cache:
    return Cache(digest, entries, seconds, "", Breaker("redis"))


def batch(*numbers: float, text: tuple[str, ...] = ("AA", "JFK")) -> Batch:
    return Batch(np.array([numbers], np.float32), np.array([text], object))


def found(kept: Cache, one: Batch) -> Any:
    key = kept.key(one)
    assert key is not None
    return asyncio.run(kept.get(key))


def keep(kept: Cache, one: Batch) -> None:
    key = kept.key(one)
    assert key is not None
    kept.put(key, SCORES)


def test_what_was_kept_is_found_and_counted() -> None:
    kept = cache()
    assert found(kept, batch(1, 2)) is None
    keep(kept, batch(1, 2))
    assert found(kept, batch(1, 2)) is SCORES
    assert (kept.misses, kept.hits["process"]) == (1, 1)


def test_another_model_never_meets_the_answer() -> None:
    assert cache(DIGEST).key(batch(1)) != cache(OTHER).key(batch(1))


@given(st.text("abc", max_size=3), st.text("abc", max_size=3), st.text("abc", max_size=3), st.text("abc", max_size=3))
def test_two_inputs_have_one_key_only_when_they_are_equal(a: str, b: str, c: str, d: str) -> None:
    kept = cache()
    same = kept.key(batch(1, text=(a, b))) == kept.key(batch(1, text=(c, d)))
    assert same == ((a, b) == (c, d))


def test_rows_and_columns_do_not_run_into_each_other() -> None:
    one = Batch(np.array([[1, 2]], np.float32), np.array([["x", "y"]], object))
    two = Batch(np.array([[1], [2]], np.float32), np.array([["x"], ["y"]], object))
    assert cache().key(one) != cache().key(two)


def test_the_least_recently_asked_goes_first() -> None:
    kept = cache(entries=2)
    keep(kept, batch(1))
    keep(kept, batch(2))
    assert found(kept, batch(1)) is not None
    keep(kept, batch(3))
    assert found(kept, batch(2)) is None
    assert found(kept, batch(1)) is not None


def test_an_answer_expires() -> None:
    kept = cache(seconds=0)
    keep(kept, batch(1))
    assert found(kept, batch(1)) is None


def test_a_large_batch_is_not_worth_a_key() -> None:
    many = Batch(np.zeros((MOST_ROWS + 1, 1), np.float32), np.full((MOST_ROWS + 1, 1), "x", object))
    assert cache().key(many) is None

"""Limits in one pod; counted over pods in Redis, and without it, in the integration tests."""

from __future__ import annotations

import asyncio
import bisect
import time

import pytest

from serving.access.limits import Limiter
from serving.http.problem import Problem
from slipway.breaker import Breaker
from slipway.errors import BadInput


def limiter(burst: str = "10/second", sustained: str = "1000/minute") -> Limiter:
    return Limiter(burst, sustained, 0.5, Breaker("redis"))


async def ask(limits: Limiter, subject: str) -> bool:
    if limits.take(subject):
        return True
    try:
        await limits.admit(subject)
    except Problem:
        return False
    return True


async def burst(limits: Limiter, requests: int, *subjects: str) -> dict[str, int]:
    asked = [(s, ask(limits, s)) for _ in range(requests) for s in subjects]
    answers = await asyncio.gather(*(answer for _, answer in asked))
    admitted = dict.fromkeys(subjects, 0)
    for (subject, _), answer in zip(asked, answers, strict=True):
        admitted[subject] += answer
    return admitted


def test_a_subject_gets_its_limit_and_no_more_however_parallel() -> None:
    assert asyncio.run(burst(limiter("10/hour"), 200, "alice")) == {"alice": 10}


def test_one_subject_does_not_use_up_another_s() -> None:
    assert asyncio.run(burst(limiter("5/hour"), 50, "alice", "bob")) == {"alice": 5, "bob": 5}


def test_the_sustained_limit_holds_below_the_burst() -> None:
    assert asyncio.run(burst(limiter("100/second", "7/hour"), 50, "alice")) == {"alice": 7}


def test_the_worst_window_after_silence_has_twice_the_limit_and_no_more() -> None:
    async def asked(seconds: float) -> list[float]:
        limits, admitted = limiter("40/second", "100000/hour"), []
        await asyncio.sleep((0.95 - time.time()) % 1)  # late in a window of the counters
        ends = time.monotonic() + seconds
        while (now := time.monotonic()) < ends:
            if await ask(limits, "alice"):
                admitted.append(now)
            else:
                await asyncio.sleep(0.005)
        return admitted

    admitted = asyncio.run(asked(2.5))
    assert 40 < max(bisect.bisect(admitted, at + 1) - place for place, at in enumerate(admitted)) <= 80 + 4
    assert len(admitted) <= 40 * (2.5 + 1) + 4


def test_a_refusal_says_when_to_come_again_and_which_limit_it_was() -> None:
    async def refused() -> Problem:
        limits = limiter("1000/second", "2/hour")
        await burst(limits, 2, "alice")
        with pytest.raises(Problem) as caught:
            await limits.admit("alice")
        return caught.value

    problem = asyncio.run(refused())
    headers = dict(problem.headers)
    assert problem.status == 429
    assert 1 <= int(headers[b"retry-after"]) <= 3600
    assert headers[b"ratelimit"].startswith(b'"sustained";r=0;t=')
    assert headers[b"ratelimit-policy"] == b'"burst";q=1000;w=1, "sustained";q=2;w=3600'


@pytest.mark.parametrize("wrong", ["often", "10 per fortnight", "-1/second"])
def test_a_limit_that_does_not_parse_is_named(wrong: str) -> None:
    with pytest.raises(BadInput, match="SLIPWAY_BURST_LIMIT"):
        limiter(wrong)

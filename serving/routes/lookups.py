"""Reads of the journal for requests: a few at a time, a few a subject, each within its time.

A read runs in a thread, since PostgreSQL's client waits. A request leaves when
its time is over, whether or not the thread has given up; the slot is free when
the thread has.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.http.problem import Problem

T = TypeVar("T")

SECONDS = 2.0
MOST = 4
MOST_OF_A_SUBJECT = 2


class Lookups:
    """Bounds what all requests together ask of the journal."""

    def __init__(self, seconds: float = SECONDS, most: int = MOST, of_a_subject: int = MOST_OF_A_SUBJECT) -> None:
        self._seconds = seconds
        self._most = most
        self._of_a_subject = of_a_subject
        self._busy: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="journal-lookup")

    async def run(self, subject: str, call: Callable[[], T], late: Callable[[], Problem]) -> T:
        """Return what `call` returns.

        Raises:
            Problem: 503 when too many are under way, `late()` when the time is over, what `call` raises.
        """
        if self._busy.total() >= self._most or self._busy[subject] >= self._of_a_subject:
            raise Problem(
                503, "too many past predictions are being looked up: ask again in 1 s", kind="lookups-busy",
                headers=[(b"retry-after", b"1")],
            )  # fmt: skip
        self._busy[subject] += 1
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        except BaseException:
            self._leave(subject)
            raise
        future.add_done_callback(lambda done: self._left(subject, done))
        done, _ = await asyncio.wait({future}, timeout=self._seconds)
        if not done:
            raise late()
        return future.result()

    def _left(self, subject: str, done: asyncio.Future[T]) -> None:
        self._leave(subject)
        if not done.cancelled():
            done.exception()  # looked at: no request may be waiting for it any more

    def _leave(self, subject: str) -> None:
        self._busy[subject] -= 1
        if not self._busy[subject]:
            del self._busy[subject]

"""When the server has too much to do, it says so at once instead of being late for everybody.

Counts requests in flight, and measures how late the event loop is: with one
thread computing, that is the queue. Refuses past either bound with 503.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from serving.problem import Problem

TICK_SECONDS = 0.05


class Shedder:
    """Admit while there is room and time."""

    def __init__(self, most: int, deadline_seconds: float, shed: Callable[[str], None]) -> None:
        self.in_flight = 0
        self.late_seconds = 0.0
        self._most = most
        self._deadline = deadline_seconds
        self._shed = shed

    def check(self, started: float) -> None:
        """Let a request on that started at `started` (time.perf_counter).

        Raises:
            Problem: 503, too many in flight or too late.
        """
        if self.in_flight > self._most:
            raise self._refused("concurrency", f"{self._most} requests are in flight")
        if time.perf_counter() - started + self.late_seconds > self._deadline:
            raise self._refused("deadline", f"the request waited longer than {self._deadline:g} s")

    async def measure(self) -> None:
        """Measure once how late the event loop is."""
        before = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        self.late_seconds = max(0.0, time.perf_counter() - before - TICK_SECONDS)

    def _refused(self, reason: str, detail: str) -> Problem:
        self._shed(reason)
        return Problem(503, detail, kind="overloaded", headers=[(b"retry-after", b"1")])

"""When the server has too much to do, it refuses at once instead of being late for all.

Counts predictions in flight, and measures how late the event loop is: with one
thread computing, that is the queue. Refuses past either bound with 503.

A prediction counts from the moment its body is there. A body that is still
arriving holds a place of another kind, and some memory. Of each a caller has a
share, so that no caller holds all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from serving.http.problem import Problem

TICK_SECONDS = 0.05
# Bodies that are still arriving, together.
ARRIVING_BYTES = 64 << 20
# Bodies that may arrive at the same time, for each prediction that may be in flight.
ARRIVING_TIMES = 4
FEWEST_ARRIVING = 64
LATER = [(b"retry-after", b"1")]


class Places:
    """Some places, or bytes. A quarter is anybody's and not counted; of the rest a caller may hold two thirds."""

    def __init__(self, most: int, reason: str, count: Callable[[str], None]) -> None:
        self.taken = 0
        self._most = most
        self._uncounted = most // 4
        self._share = max(most // 2, 1)
        self._reason = reason
        self._count = count
        self._held: dict[str, int] = {}

    def take(self, caller: str, size: int = 1) -> str:
        """Take a place and return what to give back: the caller's name, or nothing where it was not counted.

        Raises:
            Problem: 503, there is none; 429, the caller holds too many.
        """
        if self.taken + size <= self._uncounted:
            self.taken += size
            return ""
        held = self._held.get(caller, 0) + size
        if held > self._share:
            self._count("caller")
            detail = f"too much is in flight for you: {self._reason}"
            raise Problem(429, detail, kind="too-many-open", headers=LATER)
        if self.taken + size > self._most:
            self._count(self._reason)
            raise Problem(503, f"too much is in flight: {self._reason}", kind="overloaded", headers=LATER)
        self.taken += size
        self._held[caller] = held
        return caller

    def give(self, holder: str, size: int = 1) -> None:
        """Give back what `take` returned this holder for."""
        self.taken -= size
        if holder:
            self._held[holder] -= size
            if not self._held[holder]:
                del self._held[holder]


class Shedder:
    """Admit while there is room and time."""

    def __init__(self, most: int, deadline_seconds: float, count: Callable[[str], None]) -> None:
        self.late_seconds = 0.0
        self.count = count
        self.working = Places(most, "concurrency", count)
        self.arriving = Places(max(most * ARRIVING_TIMES, FEWEST_ARRIVING), "arriving", count)
        self.arriving_bytes = Places(ARRIVING_BYTES, "arriving", count)
        self._deadline = deadline_seconds

    def check(self, since: float) -> None:
        """Let a request on that has waited since then (time.perf_counter).

        Raises:
            Problem: 503, it waited too long.
        """
        if time.perf_counter() - since + self.late_seconds > self._deadline:
            self.count("deadline")
            detail = f"the request waited longer than {self._deadline:g} s"
            raise Problem(503, detail, kind="overloaded", headers=LATER)

    async def measure(self) -> None:
        """Measure once how late the event loop is."""
        before = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        self.late_seconds = max(0.0, time.perf_counter() - before - TICK_SECONDS)

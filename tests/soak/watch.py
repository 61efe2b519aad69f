"""Memory and descriptors of a process, sampled, and what they grow by."""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass, field

import psutil

EVERY_SECONDS = 1.0
# What a process takes until it has seen everything once is no growth.
WARM_UP = 0.25


@dataclass
class Samples:
    """Seconds since the start, resident bytes and open descriptors of one process."""

    pid: int
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def growth(self, of: list[int]) -> float:
        """Return by how much a line through the samples, without the first quarter, rises from its begin to its end."""
        start = int(len(of) * WARM_UP)
        seconds, values = self.seconds[start:], of[start:]
        if len(values) < 2:
            return 0.0
        slope = statistics.linear_regression(seconds, values).slope
        return slope * (seconds[-1] - seconds[0])


class Watch:
    """Samples whatever process `pid` is set to; `series` has one for each."""

    def __init__(self, pid: int) -> None:
        self.series = [Samples(pid)]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def follow(self, pid: int) -> None:
        """Go on with another process."""
        self.series.append(Samples(pid))

    def stop(self) -> None:
        """Sample no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopping.wait(EVERY_SECONDS):
            current = self.series[-1]
            try:
                process = psutil.Process(current.pid)
                memory, descriptors = process.memory_info().rss, process.num_fds()
            except psutil.Error:  # killed; its follower is named in a moment
                continue
            current.seconds.append(time.monotonic() - began)
            current.memory.append(memory)
            current.descriptors.append(descriptors)

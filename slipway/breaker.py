"""A circuit breaker: after a few failures in a row a store is left alone.

Open, requests do not ask it; whoever owns the store probes it in
the background and reports the first success, so no request pays for a probe.
"""

from __future__ import annotations

import threading


class Breaker:
    """Count failures in a row; open at `threshold`, close at the first success."""

    def __init__(self, name: str, threshold: int = 3) -> None:
        self.name = name
        self.threshold = threshold
        self.opened = 0
        self._failures = 0
        self._lock = threading.Lock()

    @property
    def closed(self) -> bool:
        """Whether requests may ask the store."""
        return self._failures < self.threshold

    def failed(self) -> None:
        """Report a failure of the store."""
        with self._lock:
            self._failures += 1
            if self._failures == self.threshold:
                self.opened += 1

    def succeeded(self) -> None:
        """Report that the store did what was asked."""
        if self._failures:
            with self._lock:
                self._failures = 0

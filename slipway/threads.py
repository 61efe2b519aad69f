"""Threads that never end unseen: what fails in one is counted, logged, tried again and shown by readiness.

Owns the loop around a step of work. The step itself decides what is a failure: it
raises. Asyncio tasks have the like in a module of their own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from slipway.errors import Unavailable

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0


class Recurring:
    """A thread that takes one step again and again, whatever a step raises, until it is stopped.

    `step` returns the seconds to wait before the next one, or None for the usual ones.
    """

    def __init__(self, name: str, step: Callable[[], float | None], seconds: float) -> None:
        self.name = name
        self.failures = 0
        self.stopping = threading.Event()
        self._failed: str | None = None
        self._step = step
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why the thread does not do its work now; None when it does."""
        if self._failed is not None:
            return self._failed
        if self._thread.ident is not None and not self._thread.is_alive() and not self.stopping.is_set():
            return f"the thread {self.name} has ended"
        return None

    def start(self) -> None:
        """Begin.

        Raises:
            Unavailable: the machine gives no further thread.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            raise Unavailable(
                f"the thread `{self.name}` cannot be started", expected="room for one more thread", found=str(error),
                hint="raise the limit of processes and threads (ulimit -u, pids of the container), then start again",
            ) from error  # fmt: skip

    def stop(self, seconds: float | None = None) -> bool:
        """Ask it to end and wait at most `seconds`; return whether it has ended."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        pause = self._seconds
        while not self.stopping.wait(pause):
            try:
                wanted = self._step()
            except Exception as error:
                self.failures += 1
                failed = f"{self.name}: {type(error).__name__}: {error}"
                if failed != self._failed:  # the same again is counted, not written
                    logger.exception("the thread %s failed and tries again", self.name)
                self._failed = failed
                pause = min(max(pause * 2, 0.05), LONGEST_PAUSE)
            else:
                self._failed = None
                pause = self._seconds if wanted is None else wanted

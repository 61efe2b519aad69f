"""Tasks that run beside the requests, none of which can end unseen.

A task that raises, returns too early, is cancelled from outside or takes
too long is logged, counted and started again after a growing pause. Readiness
asks which essential tasks have not done their work for too long.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
# How long a task may go without a good pass, beyond the time that one pass may take.
GRACE_SECONDS = 30.0

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Task:
    name: str
    work: Work
    patience_seconds: float | None
    essential: bool
    once: bool
    succeeded_at: float
    done: bool = False
    pause_seconds: float = FIRST_PAUSE_SECONDS
    running: asyncio.Task[None] | None = None


class Tasks:
    """Keep background tasks alive; `failures` counts by name how often each had to be started again."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self._kept: dict[str, _Task] = {}
        self._spawned: set[asyncio.Task[None]] = set()
        self._stopping = False

    def keep(
        self,
        name: str,
        work: Work,
        *,
        patience_seconds: float | None = None,
        essential: bool = True,
        once: bool = False,
    ) -> None:
        """Await `work()` again and again, whatever it raises; needs a running event loop.

        With `patience_seconds` each pass must end within them; without, `work` loops for ever and its return is a
        failure. With `once` it ends with its first success.
        """
        self.failures.setdefault(name, 0)
        task = self._kept[name] = _Task(name, work, patience_seconds, essential, once, time.monotonic())
        self._start(task)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that is not awaited; when it fails, that is logged and counted."""
        self.failures.setdefault(name, 0)
        task = asyncio.create_task(work, name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned_ended)

    @property
    def running(self) -> int:
        """How many spawned coroutines have not ended."""
        return len(self._spawned)

    def stale(self) -> list[str]:
        """Name the essential tasks that are dead, or have had no good pass for too long."""
        now = time.monotonic()
        return [task.name for task in self._kept.values() if task.essential and _is_stale(task, now)]

    def stop(self) -> None:
        """End them all; none is started again."""
        self._stopping = True
        for task in [*(kept.running for kept in self._kept.values()), *self._spawned]:
            if task is not None:
                task.cancel()

    def _start(self, task: _Task) -> None:
        if self._stopping:
            return
        task.running = asyncio.create_task(self._run(task), name=task.name)
        task.running.add_done_callback(lambda ended: self._ended(task, ended))

    async def _run(self, task: _Task) -> None:
        while not task.done:
            started = time.monotonic()
            try:
                async with asyncio.timeout(task.patience_seconds):
                    await task.work()
            except asyncio.CancelledError:
                current = asyncio.current_task()
                if current is None or current.cancelling():
                    raise
                await self._failed(task, RuntimeError("what it awaited was cancelled"), started)
            except Exception as error:  # noqa: BLE001 - whatever it is, the task must go on
                await self._failed(task, error, started)
            else:
                await self._passed(task, started)

    async def _passed(self, task: _Task, started: float) -> None:
        if task.patience_seconds is None and not task.once:
            await self._failed(task, RuntimeError("it returned, and should run for ever"), started)
            return
        task.succeeded_at = time.monotonic()
        task.pause_seconds = FIRST_PAUSE_SECONDS
        task.done = task.once
        await asyncio.sleep(0)  # a pass that awaits nothing must not hold the loop

    async def _failed(self, task: _Task, error: BaseException, started: float) -> None:
        if time.monotonic() - started > GRACE_SECONDS and task.patience_seconds is None:
            task.pause_seconds = FIRST_PAUSE_SECONDS  # it ran well for long before
        self._report(task.name, error, f"starting again in {task.pause_seconds:g} s")
        pause, task.pause_seconds = task.pause_seconds, min(task.pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        await asyncio.sleep(pause)

    def _ended(self, task: _Task, ended: asyncio.Task[None]) -> None:
        if self._stopping or task.done:
            return
        error = None if ended.cancelled() else ended.exception()
        self._report(task.name, error or RuntimeError("it was cancelled"), "starting again")
        # Through the loop, not at once: who cancels it in a loop of its own must not hang the server.
        ended.get_loop().call_later(FIRST_PAUSE_SECONDS, self._start, task)

    def _spawned_ended(self, ended: asyncio.Task[None]) -> None:
        self._spawned.discard(ended)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self._report(ended.get_name(), error, "it is not tried again")

    def _report(self, name: str, error: BaseException, then: str) -> None:
        self.failures[name] += 1
        logger.error("background task %s failed: %s: %s; %s", name, type(error).__name__, error, then, exc_info=error)


def _is_stale(task: _Task, now: float) -> bool:
    if task.done or task.once:  # what a task makes once is missed by who needs it
        return False
    if task.patience_seconds is None:
        return task.running is None or task.running.done() or task.pause_seconds >= LONGEST_PAUSE_SECONDS
    return now - task.succeeded_at > task.patience_seconds + GRACE_SECONDS

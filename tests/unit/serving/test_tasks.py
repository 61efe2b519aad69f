from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from serving import tasks
from serving.tasks import Tasks


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(tasks, "GRACE_SECONDS", 0.1)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.002)


class Job:
    """Does something else at each pass: raises, returns, or calls."""

    def __init__(self, *steps: BaseException | Callable[[], None] | None) -> None:
        self.steps = list(steps)
        self.passes = 0

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        self.passes += 1
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            step()


@pytest.mark.parametrize(
    "fault", [RuntimeError("x"), RecursionError(), MemoryError(), asyncio.CancelledError(), TimeoutError(), OSError(24)]
)
def test_a_task_that_fails_is_counted_and_goes_on(fault: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> Tasks:
        kept, job = Tasks(), Job(fault, fault)
        kept.keep("job", job, patience_seconds=5)
        await until(lambda: job.passes >= 4)
        kept.stop()
        return kept

    assert asyncio.run(check()).failures == {"job": 2}
    assert "background task job failed" in caplog.text


def cancel() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


def test_a_task_that_somebody_cancels_is_started_again() -> None:
    async def check() -> None:
        kept, job = Tasks(), Job(None, cancel)
        kept.keep("job", job, patience_seconds=5)
        await until(lambda: job.passes >= 4)
        assert kept.failures == {"job": 1}
        assert kept.stale() == []
        kept.stop()

    asyncio.run(check())


def test_a_task_that_hangs_is_cut_and_named_until_it_works_again() -> None:
    async def check() -> None:
        kept, hung = Tasks(), asyncio.Event()

        async def job() -> None:
            await hung.wait()
            await asyncio.sleep(0.001)

        kept.keep("job", job, patience_seconds=0.02)
        kept.keep("beside", job, patience_seconds=0.02, essential=False)
        await until(lambda: kept.stale() == ["job"])
        assert kept.failures["job"] >= 1
        hung.set()
        await until(lambda: not kept.stale())
        kept.stop()

    asyncio.run(check())


def test_a_loop_that_returns_is_started_again() -> None:
    async def check() -> None:
        kept, job = Tasks(), Job()
        kept.keep("loop", job)
        await until(lambda: job.passes >= 3)
        assert kept.failures["loop"] >= 2
        kept.stop()

    asyncio.run(check())


def test_what_is_done_once_is_tried_until_it_succeeds() -> None:
    async def check() -> None:
        kept, job = Tasks(), Job(OSError("no descriptors"), ImportError("x"))
        kept.keep("stores", job, once=True)
        await until(lambda: job.passes == 3)
        await asyncio.sleep(0.02)
        assert job.passes == 3
        assert kept.failures == {"stores": 2}

    asyncio.run(check())


def test_a_spawned_coroutine_that_fails_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        kept = Tasks()
        kept.spawn("write", Job(ValueError("broken"))())
        assert kept.running == 1
        await until(lambda: not kept.running)
        assert kept.failures == {"write": 1}

    asyncio.run(check())
    assert "broken" in caplog.text


def test_stopped_tasks_stay_stopped() -> None:
    async def check() -> None:
        kept, job = Tasks(), Job()
        kept.keep("job", job, patience_seconds=5)
        kept.spawn("write", asyncio.sleep(60))
        await until(lambda: job.passes > 1)
        kept.stop()
        await until(lambda: not kept.running)
        passes = job.passes
        await asyncio.sleep(0.02)
        assert job.passes == passes
        assert kept.failures == {"job": 0, "write": 0}

    asyncio.run(check())

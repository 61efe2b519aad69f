"""Runs a job's parts: in this process, in processes beside it, or on a Dask cluster.

The parts are the same everywhere, and so is the result. Refuses to go on once more rows are bad
than allowed.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from scoring.job import Job
from scoring.part import Part, ScoredPart, read_counts, score
from slipway import room
from slipway.errors import BadInput, Unavailable

Tell = Callable[[ScoredPart], None]


def run(job: Job, waiting: list[Part], *, workers: int, scheduler: str | None, max_bad: float, tell: Tell) -> None:
    """Score the parts that are `waiting`; `tell` hears of every part, also of those done before.

    `max_bad` is a fraction of all rows, 0 to 1.

    Raises:
        BadInput: too many rows are bad.
        Unavailable: the cluster or a process was lost.
    """
    left = {part.number for part in waiting}
    done = (read_counts(part) for part in job.parts if part.number not in left)
    bad, example = 0, None
    with _executed(waiting, workers, scheduler) as results:
        for one in _chained(done, results):
            bad, example = bad + one.bad, example or one.example
            tell(one)
            if bad > max_bad * job.rows:
                raise too_many(job, bad, max_bad, example)


def too_many(job: Job, bad: int, max_bad: float, example: str | None) -> BadInput:
    """Say that more rows are bad than allowed; the parts stay."""
    return BadInput(
        f"{job.source} has too many bad rows",
        expected=f"at most {max_bad:.2%} of {job.rows} rows",
        found=f"{bad} so far, such as {example}",
        hint="fix the rows, or allow more with --max-bad; completed parts are kept",
    )


def _chained(*results: Iterable[ScoredPart]) -> Iterator[ScoredPart]:
    for some in results:
        yield from some


@contextlib.contextmanager
def _executed(parts: list[Part], workers: int, scheduler: str | None) -> Iterator[Iterable[ScoredPart]]:
    if scheduler is not None:
        with _on_dask(parts, scheduler) as results:
            yield results
    elif workers == 1 or len(parts) < 2:
        yield map(score, parts)
    else:
        with _in_processes(parts, workers) as results:
            yield results


@contextlib.contextmanager
def _in_processes(parts: list[Part], workers: int) -> Iterator[Iterator[ScoredPart]]:
    context = multiprocessing.get_context("spawn")  # ONNX Runtime's threads do not survive a fork
    pool = concurrent.futures.ProcessPoolExecutor(min(workers, len(parts)), context, initializer=_end_with_parent)
    try:
        futures = [pool.submit(score, part) for part in parts]
        yield (future.result() for future in concurrent.futures.as_completed(futures))
    except concurrent.futures.BrokenExecutor:
        raise _lost("a scoring process ended unexpectedly", "a process killed from outside, or out of memory") from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _on_dask(parts: list[Part], scheduler: str) -> Iterator[Iterator[ScoredPart]]:
    from distributed import Client, KilledWorker, as_completed

    try:
        client: Any = Client(scheduler, timeout="10s")  # type: ignore[no-untyped-call]
    except OSError as error:
        raise _lost(f"no Dask scheduler answers at {scheduler}", str(error)) from None
    with client:
        client.register_worker_callbacks(room.find)
        futures = client.map(score, parts, pure=False, retries=2)
        try:
            yield (future.result() for future in as_completed(futures))  # type: ignore[no-untyped-call]
        except KilledWorker:
            raise _lost("a part killed several Dask workers", "workers that ran out of memory, or were ended") from None
        finally:
            client.cancel(futures)


def _lost(what: str, found: str) -> Unavailable:
    return Unavailable(what, found=found, hint="run the same command again; completed parts are kept")


def _end_with_parent() -> None:
    # A process that waits for work would outlive a parent that was killed.
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)

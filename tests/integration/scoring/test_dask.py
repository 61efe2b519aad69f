"""The same job on a real Dask cluster: a scheduler and two workers, processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

Score = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    note = tmp_path / "scheduler.json"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1"]
    started = [subprocess.Popen([*words, "--no-dashboard", "--scheduler-file", str(note)], stderr=subprocess.DEVNULL)]
    try:
        ends = time.monotonic() + 60
        while not note.exists() or not note.read_text().strip():
            assert time.monotonic() < ends
            time.sleep(0.05)
        url = json.loads(note.read_text())["address"]
        for number in (1, 2):
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", url, "--nthreads", "1", "--no-nanny"]
            worker += ["--no-dashboard", "--local-directory", str(tmp_path / f"worker-{number}")]
            started.append(subprocess.Popen(worker, stderr=subprocess.DEVNULL))
        yield url, started[1:]
    finally:
        for process in reversed(started):  # a worker would wait for its scheduler to come back
            process.kill()
            process.wait(30)


@pytest.mark.long
def test_a_cluster_gives_the_same_bytes_and_survives_a_worker(
    score: Score,
    command: Callable[..., list[str]],
    write_rows: Callable[..., Path],
    model: Path,
    tmp_path: Path,
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    url, workers = cluster
    source, here, there = write_rows(10, 8000, bad=1), tmp_path / "here.parquet", tmp_path / "there.parquet"
    options = ("--model", model, "--part-rows", 8000)
    assert score(source, here, *options, "--workers", 1).returncode == 0
    running = subprocess.Popen(command(source, there, *options, "--scheduler", url))
    first = tmp_path / "there.parquet.parts" / "part-000000.parquet"
    ends = time.monotonic() + 60
    while not first.exists():
        assert running.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.01)
    spent = [sum(psutil.Process(worker.pid).cpu_times()[:2]) for worker in workers]
    workers[0].kill()
    assert running.wait(120) == 0
    assert min(spent) > 0.5, "a worker took no part"
    assert there.read_bytes() == here.read_bytes()

"""What the gate measures of a graph: a busy machine changes no verdict on its latency."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from registry.graph import feeds, latency_p99, open_session
from registry.params import load
from tests.fixtures.slow_model import slow_down

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "tests/fixtures/flight-delay"
GOOD, SLOW = 200, 900  # sides of a matrix product: a twentieth of the limit, and several times it
SPIN = "while True: pass"


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Let so many processes compute without a pause on every core."""
    loops = [subprocess.Popen([sys.executable, "-S", "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measured(folder: Path, size: int, calls: int) -> float:
    shutil.copytree(MODEL, folder)
    slow_down(folder, size)
    rows = pa.Table.from_pylist(json.loads((folder / "golden.json").read_text())["rows"])
    schema = json.loads((folder / "schema.json").read_text())
    return latency_p99(open_session((folder / "model.onnx").read_bytes()), feeds(schema, rows), "probabilities", calls)


@pytest.mark.parametrize("processes", [0, 2 * (os.cpu_count() or 1)])
def test_a_busy_machine_changes_no_verdict_on_latency(tmp_path: Path, processes: int) -> None:
    limit = load(ROOT / "params.yaml").gate.latency_p99_ms
    with busy(processes):
        good = measured(tmp_path / "good", GOOD, calls=100)
        slow = measured(tmp_path / "slow", SLOW, calls=5)
    assert good < limit < slow

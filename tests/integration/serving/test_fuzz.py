"""Each fuzz target, for some seconds: it starts from its seeds and finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / "var" / "fuzz" / "packages"
SECONDS = 8
FEWEST_RUNS = 500


@pytest.mark.long
@pytest.mark.parametrize("target", ["connection", "bodies", "spool", "contract"])
def test_a_fuzzer_finds_nothing_in_some_seconds(target: str, tmp_path: Path) -> None:
    assert PACKAGES.is_dir(), "the fuzzer is not there: make fuzz-packages"
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{PACKAGES}"}
    command = [sys.executable, "-m", "tests.fuzz", target, f"-max_total_time={SECONDS}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    runs = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    assert runs is not None, done.stderr[-2000:]
    assert int(runs[1]) >= FEWEST_RUNS
    assert not list((tmp_path / "var" / "fuzz" / "found").iterdir())

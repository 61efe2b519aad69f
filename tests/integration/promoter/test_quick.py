"""The commands of a release answer quickly: none imports MLflow's client, and their CPU time has a bound."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.mlflow_server import serving_mlflow
from tests.integration.promoter.conftest import PromoterSite
from tests.integration.promoter.test_commands import DONE, settings

# What takes longer to import than a command may take, or has no business in it.
HEAVY = {"mlflow", "pandas", "scipy", "sklearn", "pyarrow", "onnx", "onnxruntime", "fastapi", "alembic", "matplotlib"}
COMMANDS = {name: (begin, words) for name, (begin, words, _) in DONE.items()}
COMMANDS["versions"] = (lambda _: None, ["tiny"])
# Less than three seconds where importing SQLAlchemy alone takes a third of one; what else runs here is in both.
MOST, MEASURE = 8, "import sqlalchemy"
LONG = [
    pytest.param(name, marks=[] if name == "stage" else pytest.mark.long) for name in sorted(set(COMMANDS) - {"diff"})
]


def run(words: list[str], folder: Path, environment: dict[str, str]) -> tuple[str, float]:
    """Run Python to its end; return its standard error, and the seconds of CPU time of it and of what it started."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SLIPWAY_", "GITHUB_", "KUBE"))}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=kept | environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def imported(importtime: str) -> set[str]:
    """Return the packages that `-X importtime` lists."""
    lines = [line for line in importtime.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def held(site: PromoterSite, folder: Path, name: str, environment: dict[str, str]) -> None:
    begin, words = COMMANDS[name]
    begin(site)
    _, unit = run(["-c", MEASURE], folder, {})
    typed = ["-X", "importtime", "-m", "slipway", name, *words, "--json"]
    listed, seconds = run(typed, folder, settings(site, folder) | environment)
    modules = imported(listed)
    assert "slipway" in modules
    assert modules & HEAVY == set()
    assert seconds < MOST * unit, f"{seconds:.2f} s of CPU time, {seconds / unit:.1f} times `{MEASURE}`"


@pytest.mark.parametrize("name", LONG)
def test_a_command_of_the_embedded_store_is_quick(site: PromoterSite, tmp_path: Path, name: str) -> None:
    held(site, tmp_path, name, {})


@pytest.mark.long
def test_commands_of_a_server_are_quick(site: PromoterSite, tmp_path: Path) -> None:
    artifacts = (tmp_path / "artifacts").as_uri()
    with serving_mlflow(site.store, artifacts, tmp_path / "server.log") as url:
        for name in ("stage", "promote", "reject"):
            held(site, tmp_path, name, {"MLFLOW_TRACKING_URI": url})

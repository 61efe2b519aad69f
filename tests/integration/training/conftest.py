from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from flights import fetch

ROOT = Path(__file__).parents[3]
ONE_IN = 12
Stage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw tables, every twelfth flight of each month, so that a pipeline takes seconds."""
    folder = tmp_path_factory.mktemp("raw")
    fetch.fetch(fetch.package_folder(), ROOT / "data/SHA256SUMS", folder)
    table = pq.read_table(folder / "flights.parquet")
    pq.write_table(table.take(list(range(0, table.num_rows, ONE_IN))), folder / "flights.parquet", row_group_size=5000)
    return folder


@pytest.fixture
def project(tmp_path: Path, raw: Path) -> Path:
    """A project folder with parameters and contract for the smaller tables; its stages have not run."""
    shutil.copytree(raw, tmp_path / "data/raw")
    contract = yaml.safe_load((ROOT / "data/contract.yaml").read_text())
    for name in ("flights", "train", "test"):
        rows = contract["tables"][name]["rows"]
        rows |= {"min": rows["min"] // ONE_IN, "max": rows["max"] // ONE_IN}
    volume = contract["tables"]["flights"]["per_month"]
    volume |= {"min": volume["min"] // ONE_IN, "max": volume["max"] // ONE_IN}
    (tmp_path / "data/contract.yaml").write_text(yaml.safe_dump(contract))
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("max_iter: 200,", "max_iter: 40,").replace("resamples: 1000", "resamples: 200")
    (tmp_path / "params.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def stage(project: Path) -> Stage:
    """Run a stage in the project as DVC does: a process of its own."""

    def run(name: str, *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", name if "." in name else f"training.{name}"],
            cwd=folder or project,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=200,
        )

    return run

"""What DVC costs: a whole `dvc repro` against a bare script, and one with nothing to do against make.

    python benchmarks/pipeline.py [--runs 3]

The bare script runs the same stages' `main` in one process, in order. The
Makefile has the same graph, one rule a stage. Each pair runs in turn in one
clone, and ratios are of medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STAGES = ("flights.fetch", "flights.prepare", "training.validate", "training.train", "training.evaluate")
BARE = "import importlib\n" + "".join(f"importlib.import_module('{name}').main()\n" for name in STAGES)
BIN = Path(sys.executable).parent


def main() -> None:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "slipway"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        write_makefile(clone)
        whole = compare(clone, runs, [BIN / "dvc", "repro", "--force"], [sys.executable, "-c", BARE])
        subprocess.run(["make", "-f", "graph.mk", "--touch"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
        nothing = compare(clone, max(runs, 5), [BIN / "dvc", "repro"], ["make", "-f", "graph.mk"])
        imports = sum(import_seconds(name) for name in STAGES)
        together = import_seconds(*STAGES)
    print(f"{'':<28}{'dvc repro':>12}{'the other':>12}{'ratio':>8}")
    print(f"{'whole, against a script':<28}{whole[0]:>10.1f} s{whole[1]:>10.1f} s{whole[0] / whole[1]:>8.2f}")
    print(
        f"{'nothing to do, against make':<28}{nothing[0]:>10.2f} s{nothing[1]:>10.3f} s{nothing[0] / nothing[1]:>8.0f}"
    )
    print(f"imports: {imports:.1f} s in five processes, {together:.1f} s in one")


def compare(clone: Path, runs: int, first: list[str | Path], second: list[str | Path]) -> tuple[float, float]:
    """Run both commands in turn and return the median seconds of each."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(2 * runs):
        print(f"run {number + 1} of {2 * runs}", file=sys.stderr, end="\r")
        taken[number % 2].append(seconds((first, second)[number % 2], clone))
    return statistics.median(taken[0]), statistics.median(taken[1])


def seconds(command: list[str | Path], folder: Path) -> float:
    """Time one run of a command that must succeed."""
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "DVC_NO_ANALYTICS": "1",
    }
    started = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def import_seconds(*names: str) -> float:
    """Time the import of what the stages need."""
    modules = [*names]
    modules += ["great_expectations", "training.expectations"] if "training.validate" in names else []
    return seconds([sys.executable, "-c", f"import {', '.join(modules)}"], ROOT)


def write_makefile(clone: Path) -> None:
    """Write DVC's graph as rules of make."""
    rules, first = [], []
    for name, stage in yaml.safe_load((clone / "dvc.yaml").read_text())["stages"].items():
        outputs = [
            next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"] + stage.get("metrics", [])
        ]
        first += outputs
        rules.append(f"{' '.join(outputs)} &: {' '.join(stage['deps'])}\n\t{sys.executable} -m training.{name}\n")
    (clone / "graph.mk").write_text(f"all: {' '.join(first)}\n" + "".join(rules))
    shutil.rmtree(clone / "var", ignore_errors=True)


if __name__ == "__main__":
    main()

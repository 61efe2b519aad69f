"""`slipway register` against a bare `mlflow.sklearn.log_model` of the same Pipeline, as whole processes.

    python benchmarks/register.py [--runs 5]

Ours reads and verifies the artifact, scores 55,628 rows, judges, logs the run
with its reports and datasets and creates the version; the bare call logs the
model and creates a version. Both write to an embedded store that exists, each
registration under a new name, in turn. Ratios are of medians.
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
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
BARE = """
import sys, mlflow, pandas as pd, skops.io
path = "model/model.skops"
model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
mlflow.set_experiment("bare")
with mlflow.start_run():
    mlflow.sklearn.log_model(model, name="model", registered_model_name=sys.argv[1], serialization_format="skops",
        skops_trusted_types=skops.io.get_untrusted_types(file=path){more})
"""
EXPLICIT = (
    ", pip_requirements=['scikit-learn', 'skops'], input_example=pd.read_parquet('data/prepared/test.parquet').head(3)"
)


def main() -> None:
    """Measure the three and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        project = copy(Path(folder) / "project")
        commands: dict[str, Callable[[int], list[str]]] = {
            "slipway register": lambda _: ["slipway", "register", "--allow-dirty"],
            "log_model, requirements inferred": lambda n: [sys.executable, "-c", BARE.format(more=""), f"inferred-{n}"],
            "log_model, requirements given": lambda n: [sys.executable, "-c", BARE.format(more=EXPLICIT), f"given-{n}"],
        }
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(runs + 1):
            for name, command in commands.items():
                (project / "params.yaml").write_text((ROOT / "params.yaml").read_text() + f"# {number}\n")
                spent = seconds(command(number), project)
                if number:  # the first of each makes the store and warms the disk
                    taken[name].append(spent)
    ours = statistics.median(taken["slipway register"])
    print(f"{'':<36}{'seconds':>8}{'ours / it':>11}")
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"{name:<36}{middle:>8.2f}{ours / middle:>11.2f}")


def copy(project: Path) -> Path:
    """Copy the project with its outputs: a repository in which each run has changed something."""
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    for name in ("model", "reports", "data/prepared"):
        shutil.copytree(ROOT / name, project / name, dirs_exist_ok=True)
    return project


def seconds(command: list[str], project: Path) -> float:
    """Time one run that must succeed."""
    bin_folder = Path(sys.executable).parent
    store = f"sqlite:///{project / 'store.db'}"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment |= {"PATH": f"{bin_folder}:{os.environ['PATH']}", "SLIPWAY_ARTIFACT_ROOT": (project / "store").as_uri()}
    started = time.monotonic()
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(f"{command[:3]} failed:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return time.monotonic() - started


if __name__ == "__main__":
    main()

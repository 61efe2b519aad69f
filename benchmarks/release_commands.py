"""CPU time of the commands of a release, as whole processes, against a bare `git push` and `import mlflow`.

    python benchmarks/release_commands.py [--runs 3]

Each command gets a site of its own: an embedded store with four versions, a Git remote, an audit record, and a server
that answers for the cluster and the image registry. CPU time is that of the process and of the Git that it runs, so
what else the machine does matters little. The exit code is 1 where a command takes more than two seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from registry.tracking import open_store
from tests.integration.promoter.conftest import GIT, PromoterSite, made_site
from tests.integration.promoter.test_commands import DONE, settings

MOST_SECONDS = 2.0
COMMANDS = ("stage", "promote", "approve", "reject", "rollback", "status", "versions", "history", "trace", "reconcile")
PUSH = "git clone -q {remote} by-hand; cd by-hand; echo >> note; git add note; {git} commit -qm Note; git push -q"


def main() -> int:
    """Measure each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        empty = Path(temporary) / "empty.db"
        open_store(f"sqlite:///{empty}").names()
        for number in range(runs + 1):
            for name in COMMANDS:
                folder = Path(temporary) / f"{name}-{number}"
                folder.mkdir()
                with made_site(folder, empty) as site:
                    measured = measure(site, folder, name)
                for what, seconds in measured.items():
                    taken.setdefault(what, []).append(seconds)
    medians = {what: statistics.median(seconds[1:]) for what, seconds in taken.items()}  # the first warms the disk
    print(f"{'CPU time':<20}{'seconds':>8}{'of a git push':>15}{'of import mlflow':>18}")
    for what, seconds in medians.items():
        of_push, of_import = seconds / medians["git push"], seconds / medians["import mlflow"]
        print(f"{what:<20}{seconds:>8.2f}{of_push:>15.1f}{of_import:>18.2f}")
    return int(any(seconds > MOST_SECONDS for what, seconds in medians.items() if what.startswith("slipway")))


def measure(site: PromoterSite, folder: Path, name: str) -> dict[str, float]:
    """Return the CPU seconds of a command; beside `stage`, those of a push by hand and of importing MLflow."""
    begin, words = DONE[name][:2] if name in DONE else (lambda _: None, ["tiny"])
    begin(site)
    environment = settings(site, folder)
    commands = {f"slipway {name}": [sys.executable, "-m", "slipway", name, *words]}
    if name == "stage":
        push = PUSH.format(remote=site.remote, git=" ".join(GIT))
        by_hand = {"git push": ["sh", "-ec", push], "import mlflow": [sys.executable, "-c", "import mlflow"]}
        commands = by_hand | commands
    return {what: cpu_seconds(command, folder, environment) for what, command in commands.items()}


def cpu_seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Run to the end, which must be a good one; return the CPU time of it and of what it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())

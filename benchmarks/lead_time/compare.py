"""Lead time of a release, gates instant, by segment, against bare `git push` and `kubectl apply` on the same cluster.

    python benchmarks/lead_time/compare.py --rounds 5

Needs a cluster (KUBECONFIG) with Argo CD and Argo Rollouts, and its registry (REGISTRY). Two sites beside each
other release the same images in turn: one by `slipway stage` and `slipway approve` through Argo CD, told by the
repository's hook; the other by what somebody would type without either. Both clocks start where the repository
takes the commit. The rollout with its smoke test is the same in both, and so is what waits for it.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lead_time.timeline import Timeline
from release import kustomize
from tests.fixtures import git_server, images, make_model
from tests.fixtures.images import CACHE, ROOT, Image
from tests.fixtures.kubectl import kubectl, wait
from tests.fixtures.registered import register
from tests.fixtures.site import ENVIRONMENTS, MODEL, Site, git, release_file

ANN, BOB = "Ann <ann@example.com>", "Bob <bob@example.com>"
# Argo CD's own: every 120 s and up to 60 s more (argocd-cm: timeout.reconciliation, timeout.reconciliation.jitter).
POLL, JITTER = 120.0, 60.0
POLLING_MEAN = (POLL**2 + POLL * JITTER + JITTER**2 / 3) / (2 * POLL + JITTER)  # from a moment drawn at random
SEGMENTS = ("command", "Argo CD looks", "applied", "pods ready", "smoke test", "switched or paused")


@dataclass
class Ways:
    """The same release, by us and by hand."""

    ours: Site
    bare: Site
    folder: Path

    def __post_init__(self) -> None:
        self.settings = {
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "SLIPWAY_GITOPS_REMOTE": str(self.ours.remote),
            "SLIPWAY_AUDIT_URL": f"sqlite:///{self.folder / 'audit.db'}",
            "SLIPWAY_BAKE_SECONDS": "0",
        }

    def register(self, image: Image) -> None:
        """Make the version that the image says it is."""
        from registry.tracking import open_store

        register(open_store(self.settings["MLFLOW_TRACKING_URI"]), image)

    def types(self, *words: str, who: str = ANN) -> None:
        """Type a command of ours."""
        command = [sys.executable, "-W", "ignore", "-m", "slipway", *words]
        done = subprocess.run(
            command, env={**self.settings, "SLIPWAY_ACTOR": who}, cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def stage(self, image: Image) -> None:
        self.types("stage", MODEL, image.version)

    def approve(self) -> None:
        self.types("approve", MODEL, "--yes", who=BOB)

    def bare_release(self, environment: str, image: Image) -> Callable[[], None]:
        """Render beforehand; return the act: push, and apply."""
        (self.bare.overlay(environment) / "release/kustomization.yaml").write_text(release_file(image))
        made = kustomize.build(self.bare.overlay(environment))
        git(self.bare.work, "add", "--all")
        git(self.bare.work, "commit", "--quiet", "--message", f"Release {image.version} to {environment}")

        def act() -> None:
            git(self.bare.work, "push", "--quiet", "origin", "HEAD:main")
            kubectl("apply", "-f", "-", stdin=made)

        return act


def hooks(site: Site, applications: list[str]) -> None:
    """Let the repository note when it takes a commit, and tell Argo CD as the documentation says."""
    told = [f"kubectl -n argocd annotate application {name} argocd.argoproj.io/refresh=normal --overwrite >/dev/null &"
            for name in applications]  # fmt: skip
    notes = {"pre-receive": ["date +%s.%N > $GIT_DIR/taken"], "post-receive": [*told, "exit 0"]}
    for name, lines in notes.items():
        hook = site.remote / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        hook.chmod(0o755)


def measure(site: Site, environment: str, image: Image, act: Callable[[], None], phase: str) -> list[float]:
    """Release, and return the seconds of each segment; the command's own comes first."""
    seen = Timeline(dict(os.environ), site.namespace(environment)).start()
    time.sleep(1)  # the watches are open
    began = time.time()
    act()
    taken = float((site.remote / "taken").read_text())

    def annotated(found: dict[str, Any]) -> bool:
        return bool(found["metadata"].get("annotations", {}).get("slipway/image-digest") == image.digest)

    def refreshed(found: dict[str, Any]) -> bool:
        status = found.get("status", {})
        head = git(site.remote, "rev-parse", "main")
        name, at = found["metadata"]["name"], status.get("sync", {}).get("revision")
        return bool(name == site.namespace(environment) and at == head)

    def done(found: dict[str, Any]) -> bool:
        status = found.get("status", {})
        return annotated(found) and status.get("phase") == phase and status.get("observedGeneration") == str(
            found["metadata"]["generation"])  # fmt: skip

    ended = seen.first("rollouts", taken, done)
    applied = seen.first("rollouts", taken, annotated)
    managed = (site.remote / "hooks/post-receive").read_text().count("annotate")
    looked = min(seen.first("applications", taken, refreshed), applied) if managed else taken
    ready = seen.first("analysisruns", taken, lambda one: one["metadata"]["creationTimestamp"] != "")
    smoked = seen.first("analysisruns", ready, lambda one: one.get("status", {}).get("phase") == "Successful")
    seen.stop()
    marks = [began, taken, looked, applied, ready, smoked, ended]
    return [max(0.0, after - before) for before, after in itertools.pairwise(marks)]


def settle(ways: Ways) -> None:
    """Let production take over, and wait until every old pod is gone, so that rounds are alike."""
    for site in (ways.ours, ways.bare):
        site.act("production", "promote")
        site.wait_phase("production", "Healthy")
        for environment in ENVIRONMENTS:
            space = ["-n", site.namespace(environment), "get", "pods", "-o", "name"]
            most = 2 if environment == "production" else 1
            wait(
                lambda space=space, most=most: (
                    len(  # type: ignore[misc]
                        kubectl(*space, "-l", "app.kubernetes.io/component=serving").split()
                    )
                    <= most
                ),
                120,
                "old pods gone",
            )


def prepare(ways: Ways, first: Image) -> None:
    """Bring both sites to their first release; nobody measures it."""
    for site in (ways.ours, ways.bare):
        path = site.work / "gitops/base/rollout.yaml"
        path.write_text(path.read_text().replace("scaleDownDelaySeconds: 600", "scaleDownDelaySeconds: 3"))
        site.commit("Let old pods go at once")
    ways.ours.install()
    ways.bare.prepare()
    hooks(ways.ours, [ways.ours.namespace(environment) for environment in ENVIRONMENTS])
    hooks(ways.bare, [])
    ways.register(first)
    ways.stage(first)
    ways.ours.wait_phase("staging", "Healthy", first)
    for environment in ENVIRONMENTS:
        ways.bare_release(environment, first)()
        ways.bare.wait_phase(environment, "Healthy", first)
    ways.types("smoke", MODEL, "staging")
    ways.types("promote", MODEL, first.version)
    ways.approve()
    ways.ours.wait_phase("production", "Healthy", first)


def build(folder: Path, rounds: int) -> list[Image]:
    store, base = images.store(CACHE / "containers"), images.push_base(os.environ["REGISTRY"])
    made = []
    for version in range(1, rounds + 2):
        make_model.write(folder / str(version), trees=20 + version, rows=2000, version=str(version))
        made.append(images.build(folder / str(version), base, f"{os.environ['REGISTRY']}/lead-time", store))
    return made


def report(title: str, ours: list[list[float]], bare: list[list[float]]) -> None:
    print(f"\n{title:32}{'slipway':>10}{'by hand':>10}{'ratio':>8}")
    for number, name in enumerate(SEGMENTS):
        pair = [statistics.median(one[number] for one in rounds) for rounds in (ours, bare)]
        print(f"  {name:30}{pair[0]:>8.2f} s{pair[1]:>8.2f} s")
    totals = [[sum(one[1:]) for one in rounds] for rounds in (ours, bare)]
    pair = [statistics.median(each) for each in totals]
    print(f"{'from the commit':32}{pair[0]:>8.2f} s{pair[1]:>8.2f} s{pair[0] / pair[1]:>8.2f}")
    whole = [statistics.median(sum(one) for one in rounds) for rounds in (ours, bare)]
    print(f"{'from the command':32}{whole[0]:>8.2f} s{whole[1]:>8.2f} s{whole[0] / whole[1]:>8.2f}")
    looks = statistics.median(one[1] for one in ours)
    polled = pair[0] - looks + POLLING_MEAN
    print(f"{'with Argo CD polling instead':32}{polled:>8.2f} s{'':>10}{pair[0] / polled:>8.2f}")
    print(f"{'  until it looks, of that':32}{POLLING_MEAN:>8.2f} s{'':>10}{looks / POLLING_MEAN:>8.2f}")
    print(f"  rounds: {' '.join(f'{one:.1f}' for one in totals[0])}; {' '.join(f'{one:.1f}' for one in totals[1])}")


def one_round(ways: Ways, image: Image, found: dict[str, list[list[float]]]) -> None:
    """Release an image to both environments of both sites, ours first."""
    ways.register(image)
    ours = {"staging": lambda: ways.stage(image), "production": ways.approve}
    for environment, phase in (("staging", "Healthy"), ("production", "Paused")):
        if environment == "production":
            ways.types("promote", MODEL, image.version)
        found[f"ours {environment}"].append(measure(ways.ours, environment, image, ours[environment], phase))
        by_hand = ways.bare_release(environment, image)
        found[f"bare {environment}"].append(measure(ways.bare, environment, image, by_hand, phase))
    settle(ways)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lead-time-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        ground = stack.enter_context(git_server.ground(folder / "git", images.push_base(os.environ["REGISTRY"])))
        ways = Ways(Site(ground, folder / "ours", "lead-ours"), Site(ground, folder / "bare", "lead-bare"), folder)
        found: dict[str, list[list[float]]] = {f"{way} {each}": [] for way in ("ours", "bare") for each in ENVIRONMENTS}
        try:
            first, *others = build(folder / "models", given.rounds)
            prepare(ways, first)
            for image in others:
                one_round(ways, image, found)
        finally:
            ways.ours.remove()
            ways.bare.remove()
    report("commit to staging healthy", found["ours staging"], found["bare staging"])
    report("approval to production preview", found["ours production"], found["bare production"])
    return 0


if __name__ == "__main__":
    sys.exit(main())

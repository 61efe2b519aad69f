"""The way of a release by its commands, from training to production and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import images
from tests.fixtures.images import CACHE, ROOT
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.site import MODEL, Site
from tests.integration.registry import project

pytestmark = pytest.mark.timeout(900)
ANN, BOB = "Ann <ann@example.com>", "Bob <bob@example.com>"


class Team:
    """People at their terminals: one MLflow, one registry, one repository of manifests, one cluster."""

    def __init__(self, site: Site, folder: Path, registry: str, base: str) -> None:
        self.site, self.model = site, folder / "model"
        self.model.mkdir(parents=True)
        project.git(self.model, "init", "-q", "-b", "main")
        (self.model / ".gitignore").write_text("/model\n/reports\n/data\n/var\n")
        self.settings: Mapping[str, str] = {
            **os.environ,
            **images.store(CACHE / "containers"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "SLIPWAY_ARTIFACT_ROOT": (folder / "artifacts").as_uri(),
            "SLIPWAY_GITOPS_REMOTE": str(site.remote),
            "SLIPWAY_AUDIT_URL": f"sqlite:///{folder / 'audit.db'}",
            "SLIPWAY_BAKE_SECONDS": "2",
            "SLIPWAY_BASE_IMAGE": base,
            "SLIPWAY_REGISTRY": f"{registry}/{site.name}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def types(self, *words: str, who: str = ANN, code: int | tuple[int, ...] = 0) -> Any:
        """Type a command; return what it says as JSON."""
        environment = {**self.settings, "SLIPWAY_ACTOR": who}
        command = [sys.executable, "-W", "ignore", "-m", "slipway", *words, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
        wanted = (code,) if isinstance(code, int) else code
        assert done.returncode in wanted, f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def trains(self, strength: float = 1.0) -> int:
        """Train, register and package a version; return its number."""
        project.make(self.model, name=MODEL, strength=strength)
        project.commit(self.model, f"Train with {strength}")
        said = self.types("register", "-C", str(self.model))
        assert said["verdict"] == "passed"
        self.types("package", MODEL, said["version"])
        return int(said["version"])

    def tags(self, version: int) -> dict[str, str]:
        """The tags of a version."""
        from registry.tracking import open_store

        found = open_store(self.settings["MLFLOW_TRACKING_URI"]).versions(MODEL)
        return next(one.tags for one in found if one.number == version)

    def wishes(self, version: int) -> None:
        """Move the alias champion, as somebody does in MLflow's page."""
        from registry.tracking import open_store

        open_store(self.settings["MLFLOW_TRACKING_URI"]).set_alias(MODEL, "champion", version)

    def stages(self, version: int) -> None:
        """Bring a version to staging, and wait until it runs there."""
        self.types("stage", MODEL, str(version))
        self.site.refresh("staging")
        self.runs("staging", version)

    def runs(self, environment: str, version: int, phase: str = "Healthy") -> None:
        """Wait until the environment's Rollout is in a phase with this version as its wish."""

        def reached() -> bool:
            rollout = self.site.rollout(environment)
            wished = rollout.get("metadata", {}).get("annotations", {}).get("slipway/model-version")
            status = rollout.get("status", {})
            seen = str(status.get("observedGeneration")) == str(rollout.get("metadata", {}).get("generation"))
            return bool(wished == str(version) and seen and status.get("phase") == phase)

        wait(reached, 150, f"{environment} {phase} with version {version}")

    def answers(self, environment: str) -> str:
        """Which version answers a prediction there; nobody, where no node has heard of the pods yet."""
        golden = json.loads((self.model / "model/golden.json").read_text())
        status, said = self.site.ask(environment, "/predict", body=json.dumps({"rows": golden["rows"][:1]}))
        return str(json.loads(said)["model"]["version"]) if status == 200 else "nobody"


@pytest.fixture
def team(site: Site, tmp_path: Path, registry: str, base: str) -> Team:
    site.install()
    return Team(site, tmp_path, registry, base)


def outcomes(said: Any) -> list[str]:
    assert [one["failed"] for one in said] == [None] * len(said)
    return [outcome["kind"] for one in said for outcome in one["outcomes"]]


def test_a_release_goes_the_whole_way_and_comes_back(team: Team, site: Site) -> None:
    first = team.trains()
    team.stages(first)
    unjudged = team.types("promote", MODEL, str(first), code=4)
    assert "no analysis has judged" in unjudged["found"], "the first release of staging"
    assert team.types("smoke", MODEL, "staging")["phase"] == "Successful"
    asked = team.types("promote", MODEL, str(first), code=(0, 4))
    if "error" in asked:  # not healthy for long enough yet
        wait(lambda: "error" not in team.types("promote", MODEL, str(first), code=(0, 4)), 60, "the bake time")
    assert site.rollout("production") == {}, "nothing reaches production before it is approved"
    assert team.types("approve", MODEL, "--yes", code=4)["error"] == "Refused", "you cannot approve your own request"
    team.types("approve", MODEL, "--yes", who=BOB)
    site.refresh("production")
    team.runs("production", first)
    wait(lambda: team.answers("production") == str(first), 30, "the first version answering")

    second = team.trains(strength=0.97)
    team.stages(second)
    team.wishes(second)
    wait(lambda: "opened" in outcomes(team.types("reconcile", MODEL, "--once")), 60, "the request of the new champion")
    assert team.answers("production") == str(first)
    assert team.types("approve", MODEL, "--yes", who=BOB)["release"]["version"] == second
    site.refresh("production")
    team.runs("production", second, "Paused")
    assert team.answers("production") == str(first), "paused: the operator says when"
    waiting = team.types("status", MODEL, code=4)
    assert any("waits for an operator" in one["said"] for one in waiting[0]["differences"])

    team.types("resume", MODEL, "production", who=BOB)
    wait(lambda: team.answers("production") == str(second), 30, "the new version answering")
    team.runs("production", second)
    assert team.types("status", MODEL)[0]["agree"] is True

    pods = get("-n", site.namespace("production"), "pod", "-l", "slipway/role=active")["items"]
    traced = team.types("trace", f"{site.namespace('production')}/{pods[0]['metadata']['name']}")
    assert (traced["model"], traced["version"]) == (MODEL, second)
    assert traced["digest"] == team.tags(second)["image_digest"]
    assert traced["git_commit"] == team.tags(second)["git_commit"]
    assert [step["environment"] for step in traced["releases"]].count("production") == 1

    team.types("rollback", MODEL, "--reason", "p99 doubled", who=BOB)
    site.refresh("production")
    wait(lambda: team.answers("production") == str(first), 30, "the version before, without analysis and pause")
    team.runs("production", first)
    assert "p99 doubled" in team.tags(second)["rejected"]
    assert team.types("promote", MODEL, str(second), code=4)["error"] == "Refused", "rejected for good"

    history = team.types("history", MODEL)["releases"]
    assert [one["action"] for one in history if one["version"]] == ["rollback", "promote", "promote"]
    record = team.types("audit", MODEL, "--verify")
    acts = [(one["action"], one["actor"]) for one in record["entries"]]
    assert ("approve", BOB) in acts
    assert ("resume", BOB) in acts
    assert ("rollback", BOB) in acts


def test_a_version_that_fails_its_analysis_is_taken_back_without_a_person(team: Team, site: Site) -> None:
    first = team.trains()
    team.stages(first)
    team.types("smoke", MODEL, "staging")
    wait(lambda: "error" not in team.types("promote", MODEL, str(first), code=(0, 4)), 60, "the bake time")
    team.types("approve", MODEL, "--yes", who=BOB)
    site.refresh("production")
    team.runs("production", first)

    second = team.trains(strength=0.97)
    team.stages(second)
    wait(lambda: "error" not in team.types("promote", MODEL, str(second), code=(0, 4)), 60, "the bake time")
    # Production asks another question than staging did, and the version has no answer to it.
    kubectl("-n", site.namespace("production"), "delete", "secret", f"{MODEL}-smoke")
    kubectl("-n", site.namespace("production"), "create", "secret", "generic", f"{MODEL}-smoke",
            f"--from-literal=private.pem={'-----BEGIN PRIVATE KEY-----'}")  # fmt: skip
    team.types("approve", MODEL, "--yes", who=BOB)
    site.refresh("production")
    team.runs("production", second, "Degraded")
    assert team.answers("production") == str(first)
    assert "reverted" in outcomes(team.types("reconcile", MODEL, "--once", who="Promoter <promoter@example.com>"))
    site.refresh("production")
    team.runs("production", first)
    assert team.answers("production") == str(first)
    assert "failed in production" in team.tags(second)["rejected"]
    differences = team.types("status", MODEL, code=4)[0]["differences"]
    assert all("staging" in one["said"] for one in differences), (
        "production agrees again; staging still has the version"
    )
    assert outcomes(team.types("reconcile", MODEL, "--once")) == []

"""A team with two versions of its model, and everything outside that its workflows speak to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures import github
from tests.fixtures.act import REPOSITORY, Here, fresh_clone
from tests.fixtures.registered import digests, judged
from tests.fixtures.stand import Stand, standing

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL = "flight-delay"
ACTORS = {"bot": "Release Bot <bot@example.com>", "ada": "Ada <ada@example.com>"}


@dataclass(frozen=True)
class Team:
    """A clone in which jobs run; the manifests' repository; cluster, image registry and MLflow that they reach."""

    here: Here
    stand: Stand
    settings: Mapping[str, str]

    @property
    def remote(self) -> Path:
        return self.here.folder / "gitops.git"

    def slipway(self, *words: str, actor: str = "bot", code: int = 0) -> str:
        """Type a command as somebody of the team; return what it printed, its error where it is to fail."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("SLIPWAY_", "MLFLOW_"))}
        named = {**self.settings, "SLIPWAY_ACTOR": ACTORS[actor], "SLIPWAY_BAKE_SECONDS": "0"}
        named |= {"SLIPWAY_SIGNING_KEY": str(self.here.folder / actor)}
        command = [sys.executable, "-m", "slipway", *words]
        done = subprocess.run(
            command, cwd=self.here.clone, env=clean | named, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    def release(self, version: int) -> None:
        """Bring a version to production the whole way, and let the cluster have it."""
        self.stage(version)
        self.slipway("promote", MODEL, str(version))
        self.slipway("approve", MODEL, "--yes", actor="ada")
        self.stand.rollout("production", digest(version), version)

    def stage(self, version: int) -> None:
        """Bring a version to staging, where it is healthy since long."""
        self.slipway("stage", MODEL, str(version))
        self.stand.rollout("staging", digest(version), version)

    def mlflow(self) -> MlflowClient:
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.settings["MLFLOW_TRACKING_URI"])

    def released(self, environment: str) -> int:
        path = f"gitops/apps/{MODEL}/{environment}/release/kustomization.yaml"
        line = next(one for one in self.git("show", f"main:{path}").splitlines() if "slipway/model-version" in one)
        return int(line.split('"')[1])

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", "-C", self.remote, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()


def digest(version: int) -> str:
    return f"sha256:{version:064x}"


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    clone = fresh_clone(tmp_path)
    environment = os.environ | {"GITHUB_REPOSITORY": REPOSITORY}
    subprocess.run(["make", "owners"], cwd=clone, env=environment, check=True, capture_output=True)
    subprocess.run(["git", "commit", "--quiet", "-am", "Name our teams"], cwd=clone, check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", clone, tmp_path / "gitops.git"], check=True)
    subprocess.run(["git", "-C", tmp_path / "gitops.git", "config", "uploadpack.allowFilter", "true"], check=True)
    with (tmp_path / "signers").open("w") as signers:
        for name in ACTORS:
            key = tmp_path / name
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key], check=True)
            signers.write(f"* {key.with_suffix('.pub').read_text()}")
    with standing(MODEL) as stand:
        stand.images = {digest(1), digest(2)}
        settings = {
            "KUBECONFIG": str(stand.kubeconfig(tmp_path / "kubeconfig")),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}",
            "SLIPWAY_ALLOWED_SIGNERS": str(tmp_path / "signers"),
            "SLIPWAY_AUDIT_URL": f"sqlite:///{tmp_path / 'audit.db'}",
            "SLIPWAY_GITOPS_REMOTE": str(tmp_path / "gitops.git"),
        }
        made = Team(_job(tmp_path, settings, stand), stand, settings)
        _versions(made.mlflow(), stand.port, tmp_path)
        yield made


def _job(folder: Path, settings: Mapping[str, str], stand: Stand) -> Here:
    """What GitHub holds for the repository, and the cloud's program that gives the cluster's address."""
    shown = ("MLFLOW_TRACKING_URI", "SLIPWAY_ALLOWED_SIGNERS", "SLIPWAY_GITOPS_REMOTE")
    variables = {name: settings[name] for name in shown} | {
        "AWS_ROLE": "arn:aws:iam::1:role/delivery",
        "CLUSTER": "ours",
        "SLIPWAY_ACTOR": ACTORS["bot"],
        "SLIPWAY_APP_ID": "77",
        "SLIPWAY_REGISTRY": f"127.0.0.1:{stand.port}/team",
    }
    secrets = {
        "GITHUB_TOKEN": "token-of-the-run",
        "SIGNING_KEY": (folder / "bot").read_text(),
        "SLIPWAY_AUDIT_URL": settings["SLIPWAY_AUDIT_URL"],
    }
    environment = {"KUBECONFIG": str(folder / "written"), "DOCKER_CONFIG": str(folder / "docker")}
    here = Here(folder, variables, secrets, environment)
    here.program("aws", f'cp {settings["KUBECONFIG"]} "$KUBECONFIG"')
    return here


def _versions(client: MlflowClient, port: int, keys: Path) -> None:
    client.create_registered_model(MODEL)
    for number in (1, 2):
        add_version(client, port, keys, number)


def add_version(client: MlflowClient, port: int, keys: Path, number: int, data_md5: str = "b" * 32) -> None:
    """Register the next version, with a passed verdict that the bot signed, and its image."""
    run = client.create_run("0").info.run_id
    tags = {"git_commit": "a" * 40, "data_md5": data_md5, **digests()}
    tags |= {"verdict": "passed", "image_digest": digest(number), "image": f"127.0.0.1:{port}/team/{MODEL}"}
    folder = judged(keys / f"version-{number}", MODEL, run, tags, key=str(keys / "bot"), number=number)
    client.create_model_version(MODEL, folder.as_uri(), run_id=run, tags=tags)


@pytest.fixture
def forge(team: Team) -> Iterator[github.State]:
    """GitHub by its own description, with the branches of the team's repository."""
    with github.serving() as running:
        running.branches = github.Branches(team.remote)
        yield running
        assert running.problems == []

"""train.yml as GitHub runs it: trains, registers, packages and stages for real, in a fresh clone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from release.release_file import parse
from tests.fixtures.act import Here, fresh_clone, succeeded
from tests.fixtures.images import ROOT, inspected

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]
PUSH: dict[str, Any] = {"ref": "refs/heads/main"}
STAGING = "gitops/apps/flight-delay/staging/release/kustomization.yaml"


@pytest.fixture(scope="module")
def here(base: str, local_registry: str, kept_store: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Here:
    folder = tmp_path_factory.mktemp("train")
    clone = fresh_clone(folder)
    if (ROOT / "var/dvc").is_dir():  # what was trained and pushed here before is pulled
        shutil.copytree(ROOT / "var/dvc", folder / "dvc")
    remote = folder / "gitops.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", clone, remote], check=True, capture_output=True)
    variables = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "SLIPWAY_ACTOR": "Release Bot <bot@example.com>",
        "SLIPWAY_ARTIFACT_ROOT": (folder / "artifacts").as_uri(),
        "SLIPWAY_BASE_IMAGE": base,
        "SLIPWAY_DVC_REMOTE": str(folder / "dvc"),
        "SLIPWAY_GITOPS_REMOTE": str(remote),
        "SLIPWAY_REGISTRY": f"{local_registry}/trained",
    }
    secrets = {"SLIPWAY_AUDIT_URL": f"sqlite:///{folder / 'audit.db'}", "GITHUB_TOKEN": "token-of-the-run"}
    made = Here(folder, variables, secrets, kept_store | {"DOCKER_CONFIG": str(folder / "docker")})
    made.program("sudo", 'exec "$@"')
    return made


def commit(clone: Path, message: str) -> None:
    subprocess.run(["git", "commit", "--quiet", "-am", message], cwd=clone, check=True)


def staged(here: Here) -> list[str]:
    words = ["git", "-C", str(here.folder / "gitops.git"), "log", "--format=%H", "main", "--", STAGING]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def test_a_merge_is_trained_registered_packaged_and_staged_once(here: Here) -> None:
    before = len(staged(here))
    ran = succeeded(here.run("train", "train", "push", PUSH))
    order = ["dvc pull", "dvc repro", "dvc push", "Register", "Package", "Stage"]
    assert [one for one in ran if one in order] == order
    assert len(staged(here)) == before + 1
    words = ["git", "-C", str(here.folder / "gitops.git"), "show", f"main:{STAGING}"]
    release = parse(subprocess.run(words, check=True, capture_output=True, text=True).stdout, STAGING)
    assert release is not None
    assert inspected(f"{release.image}@{release.digest}")["Digest"] == release.digest
    assert any((here.folder / "dvc").rglob("*"))
    succeeded(here.run("train", "train", "push", PUSH))  # the same commit again does nothing twice
    assert len(staged(here)) == before + 1


def test_a_stale_lock_is_refused_before_anything_is_registered(here: Here, tmp_path: Path) -> None:
    other = Here(tmp_path, here.variables, here.secrets, here.environment)
    clone = fresh_clone(tmp_path)
    contract = clone / "data/contract.yaml"
    contract.write_text(contract.read_text() + "# another word\n")
    commit(clone, "Forget dvc.lock")
    before = len(staged(here))
    done = other.run("train", "train", "push", PUSH)
    assert done.returncode != 0
    assert "dvc.lock is not of this code" in done.stdout
    assert not [line for line in done.stdout.splitlines() if "Success - Main Register" in line]
    assert len(staged(here)) == before


def test_a_setting_that_is_missing_stops_before_training(here: Here, tmp_path: Path) -> None:
    fresh_clone(tmp_path)
    without = {name: value for name, value in here.variables.items() if name != "SLIPWAY_DVC_REMOTE"}
    done = Here(tmp_path, without, here.secrets, here.environment).run("train", "train", "push", PUSH)
    assert done.returncode != 0
    assert "SLIPWAY_DVC_REMOTE is not set" in done.stdout
    assert "dvc repro" not in json.dumps([line for line in done.stdout.splitlines() if "Run Main" in line])

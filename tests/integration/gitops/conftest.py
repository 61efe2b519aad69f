"""Copies of the project's manifests with a release in them, and the tools that build and check them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.policy.check import build
from tests.fixtures.images import ROOT, Image
from tests.fixtures.site import release_file

FIXTURE = Image(ROOT / "tests/fixtures/flight-delay", "registry.example/team/flight-delay", "sha256:" + "7" * 64)
NEXT = Image(ROOT / "tests/fixtures/flight-delay", "registry.example/team/flight-delay", "sha256:" + "8" * 64)


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    os.environ["PATH"] = f"{ROOT / 'var/bin'}:{os.environ['PATH']}"
    for tool in ("kustomize", "kubeconform"):
        assert shutil.which(tool), f"{tool} is not on PATH nor in var/bin; next: make manifest-tools"


@pytest.fixture
def gitops(tmp_path: Path) -> Path:
    folder = tmp_path / "gitops"
    shutil.copytree(ROOT / "gitops", folder)
    for environment in ("staging", "production"):
        release(folder, environment, FIXTURE)
    return folder


def release(folder: Path, environment: str, image: Image, model: str = "flight-delay") -> None:
    path = folder / "apps" / model / environment / "release/kustomization.yaml"
    path.write_text(release_file(image, model=model))


Documents = dict[str, dict[str, Any]]


def rendered(folder: Path, environment: str) -> Documents:
    """Build an environment; objects by Kind/name, without the hash in a ConfigMap's."""
    made: Documents = {}
    for document in build(folder / "apps/flight-delay" / environment):
        name = document["metadata"]["name"]
        key = "ConfigMap" if document["kind"] == "ConfigMap" else f"{document['kind']}/{name}"
        made[key] = dict(document)
    return made


Edit = Callable[[dict[str, Any]], Any]


def edit(path: Path, change: Edit, index: int = 0) -> None:
    """Change one document of a YAML file."""
    documents = list(yaml.safe_load_all(path.read_text()))
    change(documents[index])
    path.write_text(yaml.safe_dump_all(documents))

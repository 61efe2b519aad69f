"""The objects of gitops/argocd, built."""

from __future__ import annotations

import subprocess
from typing import Any

import yaml

from tests.fixtures.images import ROOT


def objects(kind: str) -> list[dict[str, Any]]:
    command = ["kustomize", "build", str(ROOT / "gitops/argocd")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document["kind"] == kind]


def projects() -> list[dict[str, Any]]:
    return [one for one in objects("AppProject") if one["metadata"]["name"] != "slipway-platform"]

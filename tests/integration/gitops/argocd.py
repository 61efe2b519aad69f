"""The objects of gitops/argocd, built."""

from __future__ import annotations

from typing import Any

import yaml

from release.kustomize import build
from tests.fixtures.images import ROOT


def objects(kind: str) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(build(ROOT / "gitops/argocd"))
    return [document for document in documents if document["kind"] == kind]


def projects() -> list[dict[str, Any]]:
    return [one for one in objects("AppProject") if one["metadata"]["name"] != "slipway-platform"]

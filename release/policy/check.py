"""Build every environment of every model and look at what comes out.

    python -m release.policy gitops

The same kustomize that Argo CD runs builds them; nothing is built whose sources are refused.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from release import kustomize
from release.environments import PRODUCTION
from release.policy import objects, sources
from release.policy.finding import Finding
from release.release_file import Release, parse, render
from slipway.errors import BadInput

# Stands where nothing is released yet, so that a Rollout is there to be looked at.
STAND_IN = Release("stand-in", 1, "0" * 32, "0" * 40, "0" * 32, "0" * 64, "0" * 64, "registry.example/stand-in",
                   "sha256:" + "0" * 64)  # fmt: skip


def overlays(gitops: Path) -> list[Path]:
    """Find every environment of every model.

    Raises:
        BadInput: there is none.
    """
    found = sorted(path.parent for path in gitops.glob("apps/*/*/kustomization.yaml") if path.parent.name != "base")
    if not found:
        raise BadInput(
            f"no manifests in {gitops}",
            expected="apps/MODEL/ENVIRONMENT/kustomization.yaml",
            found="none",
            hint="make model NAME=…, or name the folder that holds apps/",
        )
    return found


def build(overlay: Path, program: str = "kustomize") -> list[Mapping[str, Any]]:
    """Render an environment.

    Raises:
        Unavailable: kustomize is not there or does not end.
        BadInput: it cannot be built.
    """
    return [document for document in yaml.safe_load_all(kustomize.build(overlay, program)) if document]


def check(overlay: Path, program: str = "kustomize", made: Path | None = None) -> list[Finding]:
    """Look at one environment: its sources first, and what they make only if those are right.

    What they make is written to the folder `made`, for other tools to look at.

    Raises:
        SlipwayError: it cannot be built, or its release file is none.
    """
    model = overlay.parent
    findings = sources.check(overlay, model)
    if findings:
        return _within(findings, "")
    with _released(overlay) as place:
        documents = build(place, program)
    if made is not None:
        made.mkdir(parents=True, exist_ok=True)
        (made / f"{model.name}-{overlay.name}.yaml").write_text(yaml.safe_dump_all(documents))
    namespace = str(yaml.safe_load((overlay / "kustomization.yaml").read_text()).get("namespace", ""))
    expected = f"{model.name}-{overlay.name}"
    if namespace != expected:
        findings.append(Finding("kustomization.yaml", "namespace", f"namespace is {namespace}, not {expected}"))
    findings += objects.check(documents, namespace, digest_of(documents))
    findings += _production(documents) if overlay.name == PRODUCTION else []
    return _within(findings, f"{model.name}/{overlay.name} ")


def digest_of(documents: list[Mapping[str, Any]]) -> str | None:
    """Return the digest that the release file names; "" where it names none but a Rollout is there."""
    for document in documents:
        if document.get("kind") == "Rollout":
            annotations = document.get("metadata", {}).get("annotations") or {}
            return str(annotations.get("slipway/image-digest", ""))
    return None


@contextlib.contextmanager
def _released(overlay: Path) -> Iterator[Path]:
    file = overlay / "release/kustomization.yaml"
    if not file.is_file() or parse(file.read_text(), str(file)) is not None:
        yield overlay
        return
    model = overlay.parent
    with tempfile.TemporaryDirectory(prefix="slipway-policy-") as name:
        for base in sources.bases(model.parents[1]):
            shutil.copytree(base, Path(name) / base.name, symlinks=True)
        copy = Path(name) / "apps" / model.name / overlay.name
        shutil.copytree(model, copy.parent)
        release = replace(STAND_IN, model=model.name)
        (copy / "release/kustomization.yaml").write_text(render(release))
        yield copy


def _production(documents: list[Mapping[str, Any]]) -> list[Finding]:
    return [
        Finding(f"Rollout/{document['metadata']['name']}", "pause", "autoPromotionEnabled must be false in production")
        for document in documents
        if document.get("kind") == "Rollout"
        and ((document["spec"].get("strategy") or {}).get("blueGreen") or {}).get("autoPromotionEnabled") is not False
    ]


def _within(findings: list[Finding], prefix: str) -> list[Finding]:
    return [Finding(prefix + one.where, one.rule, one.reason) for one in findings]

"""`slipway diff`: what a release changes, in its file and in everything that kustomize makes of it."""

from __future__ import annotations

import difflib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from release.environments import PRODUCTION
from release.git.manifests import Clone
from release.kustomize import build
from slipway.errors import BadInput


@dataclass(frozen=True)
class RenderedDifference:
    """Two unified differences; empty where nothing differs."""

    release: str
    rendered: str


def difference(clone: Clone, model: str, after: str | None, environment: str = PRODUCTION) -> RenderedDifference:
    """Compare what the environment runs with what it would run with the release file `after`.

    Raises:
        BadInput: there is no such file, or the manifests cannot be built with it.
        Unavailable: neither kustomize nor kubectl is installed.
    """
    if after is None:
        raise BadInput(
            f"`{model}` has no release to compare with {environment}",
            expected="a release in staging, or an open promotion request",
            hint=f"slipway stage {model}@NUMBER",
        )
    path = clone.path(model, environment)
    before = clone.text(path)
    if before == after:
        return RenderedDifference("", "")
    with tempfile.TemporaryDirectory(prefix="slipway-diff-") as temporary:
        top = Path(temporary)
        _write(clone, model, top)
        overlay = top / f"{clone.remote.folder}/apps/{model}/{environment}"
        old = build(overlay) if before is not None else ""
        file = top / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(after)
        new = build(overlay)
    return RenderedDifference(unified(before or "", after, path), unified(old, new, f"{model} in {environment}"))


def _write(clone: Clone, model: str, top: Path) -> None:
    apps, own = f"{clone.remote.folder}/apps/", f"{clone.remote.folder}/apps/{model}/"
    wanted = {path: blob for path, blob in clone.files.items() if path.startswith(own) or not path.startswith(apps)}
    contents = clone.blobs(list(wanted.values()))
    for path, blob in wanted.items():
        target = top / path
        if ".." in Path(path).parts or Path(path).is_absolute():
            raise BadInput(
                f"{path} in {clone.where} is refused", expected="a path below the folder", hint=f"git log -- {path}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(contents[blob])


def unified(before: str, after: str, name: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), f"before: {name}", f"after: {name}", n=2
    )
    return "".join(lines)

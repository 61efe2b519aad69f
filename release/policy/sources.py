"""What kustomize would read: plain files of the model's own folder and of the shared base, by the few features needed.

Looked at before anything is built, because building a remote base fetches it and a plugin runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from release.policy.finding import Finding

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
ALLOWED = frozenset(
    (
        "apiVersion", "kind", "namespace", "resources", "components", "labels", "commonAnnotations", "images",
        "patches", "configMapGenerator", "configurations", "replacements", "generatorOptions",
    )
)  # fmt: skip
# What fetches charts, runs programs or makes Secrets, and why it is not needed.
REFUSED = {
    "helmCharts": "fetches and runs a chart",
    "helmGlobals": "fetches and runs a chart",
    "generators": "runs a plugin",
    "transformers": "runs a plugin",
    "validators": "runs a plugin",
    "openapi": "changes what a field means",
    "secretGenerator": "puts a secret into Git",
}
BASE = re.compile(r"base(-[a-z0-9-]+)?")
REMOTE = re.compile(r"://|^git@|^git::|\?ref=|^(www\.)?(github|gitlab|bitbucket)\.|//")


def bases(gitops: Path) -> list[Path]:
    """Return the folders that models share: `base`, and a next one beside it such as `base-next`."""
    return sorted(path for path in gitops.glob("base*") if BASE.fullmatch(path.name) and path.is_dir())


def check(overlay: Path, model: Path) -> list[Finding]:
    """Look at every kustomization that `overlay` reaches: in `model`, and in the bases that models share.

    A base reaches nothing but itself.
    """
    model = model.resolve()
    return list(_walk(overlay.resolve(), (model, *bases(model.parents[1])), set()))


def _walk(folder: Path, roots: tuple[Path, ...], seen: set[Path]) -> Iterator[Finding]:
    """Look at a folder of `roots[0]` and at what it leads to in any of `roots`."""
    if folder in seen:
        return
    seen.add(folder)
    own = roots[0]
    yield from _links(folder, own)
    files = [folder / name for name in NAMES if (folder / name).is_file()]
    if len(files) != 1:
        yield Finding(_where(folder, own), "kustomization", f"expected one kustomization.yaml, found {len(files)}")
        return
    where = _where(files[0], own)
    try:
        content = yaml.safe_load(files[0].read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        yield Finding(where, "kustomization", f"does not parse: {str(error).splitlines()[0]}")
        return
    if not isinstance(content, Mapping):
        yield Finding(where, "kustomization", "is empty")
        return
    yield from _fields(where, content)
    for key, path in _paths(content):
        yield from _reference(where, key, path, roots)
        target = (folder / path).resolve()
        root = next((one for one in roots if target.is_relative_to(one)), None)
        if root is not None and target.is_dir():
            yield from _walk(target, roots if root == own else (root,), seen)


def _reference(where: str, key: str, path: str, roots: tuple[Path, ...]) -> Iterator[Finding]:
    own = roots[0]
    target = ((own.parent / where).parent / path).resolve()
    if REMOTE.search(path):
        yield Finding(where, "remote", f"{key} names {path}, which would be fetched; copy it into {own.name}/")
    elif Path(path).is_absolute() or not any(target.is_relative_to(one) for one in roots):
        yield Finding(where, "outside", f"{key} names {path}, outside {own.name}/")
    elif not target.exists():
        yield Finding(where, "missing", f"{key} names {path}, which is not there")


def _fields(where: str, content: Mapping[str, Any]) -> Iterator[Finding]:
    for key in content:
        if key in REFUSED:
            yield Finding(where, "feature", f"{key} {REFUSED[key]}")
        elif key not in ALLOWED:
            yield Finding(
                where, "feature", f"{key} is not among what these manifests need: {', '.join(sorted(ALLOWED))}"
            )


def _paths(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("resources", "components", "configurations"):
        for path in content.get(key) or []:
            yield key, str(path)
    for key in ("patches", "replacements"):
        for entry in content.get(key) or []:
            if isinstance(entry, Mapping) and "path" in entry:
                yield key, str(entry["path"])
    for made in content.get("configMapGenerator") or []:
        for kind in ("envs", "files"):
            for path in made.get(kind) or []:
                yield f"configMapGenerator.{kind}", str(path).rpartition("=")[2]


def _links(folder: Path, own: Path) -> Iterator[Finding]:
    for path in folder.iterdir() if folder.is_dir() else []:
        if path.is_symlink():
            yield Finding(_where(path, own), "link", "is a link; write the file itself")


def _where(path: Path, own: Path) -> str:
    return str(path.relative_to(own.parent)) if path.is_relative_to(own.parent) else str(path)

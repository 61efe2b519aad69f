"""What of the manifests production of one model renders, and what of that names which bytes run.

Pure: paths and the text of files. Owns the line between a setting and a program: an image, a
command and the place that Argo CD deploys from are a program, whoever writes them where.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

import yaml

from release.environments import STAGING

NAMED = "MODEL"  # what gitops/base calls its objects, their image too, and the ConfigMap with the name for them
ATTRIBUTES, MODULES = ".gitattributes", ".gitmodules"
PROGRAM = {
    "args",
    "chart",
    "command",
    "digest",
    "ephemeralContainers",
    "image",
    "images",
    "initContainers",
    "newName",
    "newTag",
    "repoURL",
    "sources",
    "targetRevision",
}
PATCHED = re.compile(
    r"[/.](?:image|command|args|initContainers|ephemeralContainers|containers|repoURL|targetRevision)\b"
)
UNREADABLE = re.compile("image|command|args|initContainers|repoURL|targetRevision")
# What makes of a file in Git another one in the checkout.
CONVERTS = re.compile(r"\s(?:filter|ident|working-tree-encoding|export-subst)\b")


def renders(folder: str, model: str, path: str) -> bool:
    """Say whether production of `model` may render a file: all of the folder but other models and staging."""
    if posixpath.basename(path) == ATTRIBUTES and not path.startswith(f"{folder}/"):
        return folder.startswith(posixpath.dirname(path))
    if path == MODULES:
        return True
    apps = f"{folder}/apps/"
    if not path.startswith(apps):
        return path.startswith(f"{folder}/")
    own = f"{apps}{model}/"
    return path.startswith(own) and not path.startswith(f"{own}{STAGING}/")


def program(text: str) -> list[str]:
    """Return what a file of manifests says of the bytes that run, one statement a line, in a fixed order."""
    try:
        return sorted(set(_in_text(text, set())))
    except RecursionError:  # nested deeper than anybody writes by hand
        return [text]


def leaves(folder: str, model: str, path: str, text: str) -> list[str]:
    """Return what a kustomization refers to that no one looks at: addresses, and folders that are not production's."""
    if posixpath.basename(path) not in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        return []
    found = []
    for name in _references(_parsed(text) or []):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        inside = renders(folder, model, f"{target}/") or target == folder
        if "://" in name or name.startswith(("github.com/", "git@")) or not inside:
            found.append(name)
    return found


def converts(text: str) -> bool:
    """Say whether a .gitattributes file lets a checkout differ from what Git holds."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return any(CONVERTS.search(line) for line in lines)


def _references(documents: list[Any]) -> list[str]:
    lists = ("resources", "components", "bases", "generators", "transformers", "validators", "crds")
    named = [one for each in documents if isinstance(each, dict) for key in lists for one in each.get(key) or []]
    return [one for one in named if isinstance(one, str) and "\n" not in one]


def _parsed(text: str) -> list[Any] | None:
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that is none is a ValueError
        return None


def _in_text(text: str, seen: set[int]) -> list[str]:
    documents = _parsed(text)
    if documents is None:
        return [text] if UNREADABLE.search(text) else []
    return [] if documents == [text] else _statements(documents, seen)


def _statements(found: Any, seen: set[int]) -> list[str]:
    # An alias may lead to what it is in, or be one of a million: each thing is looked at once.
    if isinstance(found, dict | list):
        if id(found) in seen:
            return []
        seen.add(id(found))
    if isinstance(found, dict):
        own = [f"{key}: {each}" for key, value in found.items() if key in PROGRAM for each in _scalars(value, set())]
        patched = [path for path in _paths(found) if PATCHED.search(path)]
        own += [f"{path}: {each}" for path in patched for each in _scalars(found.get("value"), set())]
        return own + _filled(found) + [one for value in found.values() for one in _statements(value, seen)]
    if isinstance(found, list):
        return [one for each in found for one in _statements(each, seen)]
    if isinstance(found, str) and ("\n" in found or ": " in found):  # a patch in the text of another file
        return _in_text(found, seen)
    return []


def _filled(found: dict[Any, Any]) -> list[str]:
    """Return what kustomize fills images and commands with: a replacement's source, the name of an overlay."""
    targets, literals = found.get("targets"), found.get("literals")
    if isinstance(targets, list):
        paths = [path for each in targets if isinstance(each, dict) for path in _paths(each)]
        if any(PATCHED.search(path) for path in paths):
            return [f"source: {each}" for each in _scalars(found.get("source"), set())]
    if found.get("name") == NAMED and isinstance(literals, list):
        return [f"{NAMED}: {each}" for each in literals if str(each).startswith("name=")]
    return []


def _scalars(found: Any, seen: set[int]) -> list[str]:
    if not isinstance(found, dict | list):
        return [str(found)]
    if id(found) in seen:
        return []
    seen.add(id(found))
    pairs = found.items() if isinstance(found, dict) else enumerate(found)
    return [f"{key} {each}" for key, value in pairs for each in _scalars(value, seen)]


def _paths(found: dict[Any, Any]) -> list[str]:
    named = [found.get("path"), found.get("from"), found.get("fieldPath"), *(found.get("fieldPaths") or [])]
    return [f".{one}" for one in named if isinstance(one, str)]

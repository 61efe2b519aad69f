"""What of the manifests production of one model renders, and what of that says which bytes run.

Pure: paths and the text of files. Owns the line between a setting and a program: an image, a
command and the place that Argo CD deploys from are a program, whoever writes them where.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

import yaml

from registry.release.repository.commits import STAGING

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
    return sorted(set(_statements(_parsed(text))))


def leaves(folder: str, model: str, path: str, text: str) -> list[str]:
    """Return what a kustomization refers to that nobody looks at: addresses, and folders that are not production's."""
    if posixpath.basename(path) not in ("kustomization.yaml", "kustomization.yml", "Kustomization"):
        return []
    found = []
    for name in _references(_parsed(text)):
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


def _parsed(text: str) -> list[Any]:
    try:
        return list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that is none is a ValueError
        return [{"image": text}] if re.search("image|command|args|repoURL", text) else []


def _statements(found: Any) -> list[str]:
    if isinstance(found, dict):
        own = [f"{key}: {value}" for key, value in found.items() if key in PROGRAM]
        own += [f"{path}: {found.get('value')}" for path in _paths(found) if PATCHED.search(path)]
        return own + [one for value in found.values() for one in _statements(value)]
    if isinstance(found, list):
        return [one for each in found for one in _statements(each)]
    if isinstance(found, str) and ("\n" in found or ": " in found):  # a patch in the text of another file
        return [] if (inner := _parsed(found)) == [found] else _statements(inner)
    return []


def _paths(found: dict[Any, Any]) -> list[str]:
    named = [found.get("path"), found.get("from"), found.get("fieldPath"), *(found.get("fieldPaths") or [])]
    return [f".{one}" for one in named if isinstance(one, str)]

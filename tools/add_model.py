"""Give a model manifests of its own, made from another's: `make model NAME=… LIKE=flight-delay`.

Owns the copy of gitops/apps/LIKE with nothing released, and the namespaces, Applications, destinations and
rights that go with it. Run again, it does nothing. Refuses a name that cannot be one, and a model that is not
there. Exit codes: 0 done, 3 bad input.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import yaml

from slipway.atomic import write_bytes
from slipway.errors import BadInput, SlipwayError
from slipway.names import checked
from slipway.yaml_scalar import scalar

BETWEEN = "\n---\n"
EMPTY = """\
# Nothing is released here yet. `slipway stage` and a merged promotion replace this file, and it alone.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Rollout|HorizontalPodAutoscaler|AnalysisTemplate}
  patch: |
    $patch: delete
    apiVersion: v1
    kind: Any
    metadata: {name: any}
"""


def add(gitops: Path, name: str, like: str) -> list[str]:
    """Write the manifests of `name`; return the files that changed.

    Raises:
        BadInput: the name is not valid, or there is no model `like`.
    """
    checked(name)
    apps = gitops / "apps"
    if not (apps / like).is_dir():
        there = ", ".join(sorted(path.name for path in apps.iterdir()))
        raise BadInput(f"{apps / like} is not there", expected=f"one of {there}", found=like)
    changed = [] if (apps / name).exists() else _copy(apps / like, apps / name)
    for path in sorted([*(gitops / "argocd").rglob("*.yaml"), *(gitops / "platform").rglob("*.yaml")]):
        before = path.read_text(encoding="utf-8")
        after = _beside(before, name, like)
        if after != before:
            write_bytes(path, after.encode())
            changed.append(str(path))
    return changed


def _copy(source: Path, target: Path) -> list[str]:
    made = target.with_name(f".{target.name}")
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(source, made)
    for path in made.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            empty = path.parent.name == "release" and path.name == "kustomization.yaml"
            path.write_text(EMPTY if empty else _renamed(text, target.name, source.name), encoding="utf-8")
    made.rename(target)
    return [str(target)]


def _renamed(text: str, name: str, like: str) -> str:
    before, after = r"(?P<before>^[ \t]*|[:\-,\[{]\s+|[\[{])(?P<quote>['\"]?)", r"(?P=quote)(?=[ \t]*(?:[,:\]}]|#|$))"
    alone = before + re.escape(like) + after
    quoted = re.sub(alone, lambda found: f"{found['before']}{scalar(name)}", text, flags=re.MULTILINE)
    return re.sub(rf"(?<![a-z0-9-]){re.escape(like)}(?![a-z0-9])", name, quoted)


def _beside(text: str, name: str, like: str) -> str:
    """Put a twin behind each object that is of `like` alone, and into each that names it among others."""
    documents = text.rstrip("\n").split(BETWEEN)
    there = {_key(document) for document in documents}
    found: list[str] = []
    for document in documents:
        key = _key(document)
        twin = _renamed("\n".join(line for line in document.splitlines() if not line.startswith("#")), name, like)
        if like not in key[1]:
            found.append(_with_lines(document, name, like))
        else:
            found += [document] if _key(twin) in there else [document, twin]
    return BETWEEN.join(found) + "\n"


def _key(document: str) -> tuple[str, str]:
    content = yaml.safe_load(document) or {}
    metadata = content.get("metadata", {}) if isinstance(content, dict) else {}
    return str(content.get("kind")) if content else "", f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"


def _with_lines(document: str, name: str, like: str) -> str:
    lines = document.splitlines()
    found: list[str] = []
    for line in lines:
        twin = _renamed(line, name, like)
        entry = line.lstrip().startswith("- ") and twin != line and twin not in lines
        found += [line, twin] if entry else [line]
    return "\n".join(found)


def main(words: list[str]) -> int:
    """Add the model that the command names."""
    try:
        changed = add(Path("gitops"), words[0], words[1])
    except SlipwayError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(changed) if changed else f"nothing to do: {words[0]} has its manifests")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

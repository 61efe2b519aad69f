"""Reads dvc.lock: which bytes the last `dvc repro` made, and from what.

Refuses outputs that are not the bytes that dvc.lock names, and sources or
parameters that have changed since: a model must come from what is committed.
Source: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#dvclock-file
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from slipway.errors import BadInput, Refused

LOCK = "dvc.lock"
REPRO = "dvc repro, then commit what it changed"


@dataclass(frozen=True)
class Lock:
    """The digests of dvc.lock by path, and the file's own."""

    root: Path
    sha256: str
    outputs: dict[str, str]
    sources: dict[str, str]
    params: dict[str, dict[str, Any]]

    def md5(self, path: str) -> str:
        """Return the md5 of an output.

        Raises:
            BadInput: dvc.lock does not know the output.
        """
        if path not in self.outputs:
            raise BadInput(f"{self.root / LOCK} does not name {path}", expected="an output of a stage", hint=REPRO)
        return self.outputs[path]

    def read(self, path: str) -> bytes:
        """Return an output's bytes after comparing them with dvc.lock.

        Raises:
            BadInput: the output is not there, or dvc.lock does not know it.
            Refused: the bytes are not those that dvc.lock names.
        """
        content = _content(self.root / path)
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != self.md5(path):
            raise Refused(
                f"{self.root / path} is not what the last dvc repro made",
                expected=f"md5 {self.md5(path)} ({LOCK})",
                found=f"md5 {found}",
                hint=REPRO,
            )
        return content

    def refuse_stale(self) -> None:
        """Compare every source file and parameter with what the stages used.

        Raises:
            Refused: a source or a parameter has changed since.
        """
        for path, expected in sorted(self.sources.items()):
            found = _digest(self.root / path)
            if found is not None and found != expected:
                raise Refused(
                    f"{self.root / path} has changed since the last dvc repro",
                    expected=f"md5 {expected} ({LOCK})",
                    found=f"md5 {found}",
                    hint=REPRO,
                )
        for file, values in self.params.items():
            current = _loaded(self.root / file)
            for key, value in values.items():
                if _plain(_value(current, key)) != _plain(value):
                    raise Refused(
                        f"{key} in {self.root / file} has changed since the last dvc repro",
                        expected=str(value),
                        found=str(_value(current, key)),
                        hint=REPRO,
                    )


def load(root: Path) -> Lock:
    """Read `root`/dvc.lock.

    Raises:
        BadInput: it is missing or is no dvc.lock.
    """
    content = _content(root / LOCK)
    parsed = _loaded(root / LOCK)
    stages = parsed.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise BadInput(f"{root / LOCK} holds no stages", hint="dvc repro")
    outputs = {path: md5 for stage in stages.values() for path, md5 in _digests(stage, "outs")}
    sources = {path: md5 for stage in stages.values() for path, md5 in _digests(stage, "deps")}
    params: dict[str, dict[str, Any]] = {}
    for stage in stages.values():
        for file, values in (stage.get("params") or {}).items():
            params.setdefault(file, {}).update(values)
    only_sources = {path: md5 for path, md5 in sources.items() if path not in outputs}
    return Lock(root, hashlib.sha256(content).hexdigest(), outputs, only_sources, params)


def _digests(stage: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    return [(entry["path"], entry["md5"]) for entry in stage.get(kind) or [] if "md5" in entry]


# A `dvc exp run` that was killed leaves the reports deleted: they are in Git and in DVC's cache.
RESTORE = "dvc checkout && git checkout -- reports, or dvc repro"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path} is not there", expected="an output of dvc repro", hint=RESTORE) from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read", found=error.strerror, hint="dvc repro") from error


def _digest(path: Path) -> str | None:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        tree = [{"md5": _digest(file), "relpath": file.relative_to(path).as_posix()} for file in files]
        listing = json.dumps(tree, sort_keys=True).encode()
        return hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _loaded(path: Path) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(_content(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML", found=" ".join(str(error).split()), hint=f"mend {path}") from error
    return parsed if isinstance(parsed, dict) else {}


def _value(content: Any, key: str) -> Any:
    if isinstance(content, dict) and key in content:
        return content[key]
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _plain(value: Any) -> str:
    # dvc.lock writes a date as a quoted string, params.yaml as a date
    return json.dumps(value, sort_keys=True, default=str)

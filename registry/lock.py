"""Reads dvc.lock: which bytes the last `dvc repro` made, and from what.

Refuses outputs that are not the bytes that dvc.lock names, and sources or
parameters that have changed since: a model must come from what is committed.
Source: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#dvclock-file
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from registry import tree
from slipway.errors import BadInput, Refused

# A `dvc exp run` that was killed leaves the reports deleted: they are in Git and in DVC's cache.
RESTORE = "dvc checkout && git checkout -- reports, or dvc repro"

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
    kinds: dict[str, str] = field(default_factory=dict)

    def md5(self, path: str) -> str:
        """Return the md5 of an output, or of a file in a folder that is one.

        Raises:
            BadInput: dvc.lock does not know the output.
            Refused: the folder is not the one that dvc.lock names.
        """
        if path not in self.outputs:
            for folder in (each.as_posix() for each in PurePosixPath(path).parents):
                if path in (below := self.below(folder) if folder in self.outputs else {}):
                    return below[path]
            raise BadInput(f"{self.root / LOCK} does not name {path}", expected="an output of a stage", hint=REPRO)
        return self.outputs[path]

    def below(self, folder: str) -> dict[str, str]:
        """Return the md5 of each file of an output that is a folder, by path; nothing where it is a file.

        Raises:
            BadInput: the folder is not there.
            Refused: the folder is not the one that dvc.lock names.
        """
        if not self.outputs[folder].endswith(".dir"):
            return {}
        found = _tree(self.root / folder, self.kinds.get(folder, tree.MD5))
        if found.digest != self.outputs[folder]:
            raise _changed(
                self.root / folder, "is not what the last dvc repro made", self.outputs[folder], found.digest
            )
        return {f"{folder}/{name}": md5 for name, md5 in found.files.items()}

    def read(self, path: str) -> bytes:
        """Return an output's bytes after comparing them with dvc.lock.

        Raises:
            BadInput: the output is not there, or dvc.lock does not know it.
            Refused: the bytes are not those that dvc.lock names.
        """
        content = _content(self.root / path)
        expected = self.md5(path)
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != expected and (self.kinds.get(path, tree.MD5) == tree.MD5 or self._digest(path) != expected):
            raise _changed(self.root / path, "is not what the last dvc repro made", expected, found)
        return content

    def refuse_stale(self) -> None:
        """Compare every source file and parameter with what the stages used.

        Raises:
            Refused: a source or a parameter has changed since.
        """
        for path, expected in sorted(self.sources.items()):
            found = self._digest(path)
            if found is not None and found != expected:
                raise _changed(self.root / path, "has changed since the last dvc repro", expected, found)
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

    def _digest(self, path: str) -> str | None:
        place, kind = self.root / path, self.kinds.get(path, tree.MD5)
        if place.is_dir() or (place.is_file() and kind != tree.MD5):
            return tree.read(place, kind).digest
        if not place.is_file():
            return None
        with place.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def load(root: Path) -> Lock:
    """Read `root`/dvc.lock.

    Raises:
        BadInput: it is missing or is not a dvc.lock.
    """
    content = _content(root / LOCK)
    parsed = _loaded(root / LOCK)
    stages = parsed.get("stages")
    if not isinstance(stages, dict) or not all(isinstance(stage, dict) for stage in stages.values()):
        raise BadInput(f"{root / LOCK} holds no stages", expected="the stages of dvc.yaml", hint="dvc repro")
    outputs = {path: md5 for stage in stages.values() for path, md5 in _digests(stage, "outs")}
    sources = {path: md5 for stage in stages.values() for path, md5 in _digests(stage, "deps")}
    params: dict[str, dict[str, Any]] = {}
    for stage in stages.values():
        for file, values in (stage.get("params") or {}).items():
            params.setdefault(file, {}).update(values)
    only_sources = {path: md5 for path, md5 in sources.items() if path not in outputs}
    kinds = {path: kind for stage in stages.values() for path, kind in _kinds(stage)}
    return Lock(root, hashlib.sha256(content).hexdigest(), outputs, only_sources, params, kinds)


def _digests(stage: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    return [(entry["path"], entry["md5"]) for entry in stage.get(kind) or [] if "md5" in entry]


def _kinds(stage: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the hash of each path; one without a name is of DVC before 3, which reads text with Unix line ends."""
    entries = [*(stage.get("outs") or []), *(stage.get("deps") or [])]
    return [(entry["path"], entry.get("hash", "md5-dos2unix")) for entry in entries if "md5" in entry]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BadInput(f"{path} is not there", expected="an output of dvc repro", hint=RESTORE) from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read", found=error.strerror, hint="dvc repro") from error


def _tree(folder: Path, kind: str) -> tree.Tree:
    if not folder.is_dir():
        raise BadInput(f"{folder} is not there", expected="a folder that dvc repro makes", hint="dvc repro")
    return tree.read(folder, kind)


def _changed(path: Path, what: str, expected: str, found: str) -> Refused:
    return Refused(f"{path} {what}", expected=f"md5 {expected} ({LOCK})", found=f"md5 {found}", hint=REPRO)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(_content(path))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not YAML", found=" ".join(str(error).split()), hint=f"fix {path}") from error
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

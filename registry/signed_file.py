"""A statement about one version: a file of JSON beside the model's files, with its signature next to it.

Owns how a statement is written, kept and believed. MLflow's tags can be edited by whoever may edit the version; a
statement names the version, its run, its commit and its digests, so that it is of no use for another one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from registry.signing import Trust, sign, signed_by
from registry.tracking import Tracking, Version
from slipway.answer import Answer
from slipway.atomic import write_bytes
from slipway.errors import SlipwayError

MOST_BYTES = 1 << 20
# Tags that go into a release file or a manifest; each is part of every statement.
BOUND = ("git_commit", "git_dirty", "data_md5", "dvc_lock_sha256", "model_sha256", "schema_sha256", "golden_sha256")


@dataclass(frozen=True)
class Kind:
    """A kind of statement: its name, which is the namespace of its SSH signatures, and its file."""

    name: str
    file: str

    @property
    def signature(self) -> str:
        return f"{self.file}.sig"

    @property
    def form(self) -> str:
        return f"{self.name}/1"


@dataclass(frozen=True)
class Statement:
    """The content of a version's statement; `said` is None where it is not believed or cannot be read.

    `answer` is whether it is believed, by whose signature or why not; `absent` that the version has none.
    """

    said: dict[str, Any] | None
    answer: Answer
    absent: bool = False


def text(kind: Kind, name: str, run_id: str, tags: Mapping[str, str], facts: Mapping[str, Any]) -> bytes:
    """Return a statement about a version: canonical JSON of what it is about and of `facts`."""
    said = {"kind": kind.form, **_about(name, run_id, tags), **facts}
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write(folder: Path, kind: Kind, content: bytes, key: str | None) -> None:
    """Write a statement into a folder, signed where there is a key.

    Raises:
        Refused: the key does not sign without asking.
    """
    write_bytes(folder / kind.file, content)
    if key:
        write_bytes(folder / kind.signature, sign(content, key, kind.name))


def read(tracking: Tracking, version: Version, kind: Kind, trust: Trust, at: datetime) -> Statement:
    """Read a version's statement and verify it: its signature as of `at`, and that it is about this version."""
    try:
        there = set(tracking.files(version))
        if kind.file not in there:
            return Statement(None, Answer(False, f"the version has no {kind.file}"), absent=True)
        with tempfile.TemporaryDirectory(prefix=f"{kind.name}-") as folder:
            content = _content(tracking.download(version, kind.file, Path(folder)))
            found = tracking.download(version, kind.signature, Path(folder)) if kind.signature in there else None
            signature = _content(found) if found else b""
    except SlipwayError as error:
        reason = f"{error.thing}: {error.found or error.expected or ''}".rstrip(": ")
        return Statement(None, Answer(None, reason))
    if content is None or signature is None:
        return _unbelieved(f"{kind.file} is no plain file of at most {MOST_BYTES} bytes")
    return _judge(content, signature, version, kind, trust, at)


def _judge(content: bytes, signature: bytes, version: Version, kind: Kind, trust: Trust, at: datetime) -> Statement:
    signer, why = signed_by(content, signature, trust, at, kind.name)
    if why is not None:
        return _unbelieved(f"{kind.file} {why}")
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return _unbelieved(f"{kind.file} is not JSON")
    if not isinstance(said, dict) or said.get("kind") != kind.form:
        return _unbelieved(f"{kind.file} is not a statement {kind.form}")
    about = _about(version.name, version.run_id, version.tags)
    if differ := [f"{key} {said.get(key)}, not {value}" for key, value in about.items() if said.get(key) != value]:
        return _unbelieved(f"{kind.file} is about another version: {'; '.join(differ)}")
    return Statement(said, Answer(True, signer))


def _unbelieved(reason: str) -> Statement:
    return Statement(None, Answer(False, reason))


def _about(name: str, run_id: str, tags: Mapping[str, str]) -> dict[str, str | None]:
    return {"model": name, "run_id": run_id, **{tag: tags.get(tag) for tag in BOUND}}


def _content(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    return path.read_bytes()

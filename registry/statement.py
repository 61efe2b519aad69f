"""verdict.json: what the gate said of one version, and of which bytes; kept and signed with the version's files.

Owns what promotion believes. MLflow's tags can be edited by whoever may edit the version; this text names the run,
the commit and the digests it is about, so that it is of no use for another version.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry.provenance import Datum
from registry.signing import Trust, signed_by
from registry.tracking import Tracking, Version
from registry.verdict import Verdict
from slipway.errors import SlipwayError

KIND = "slipway-verdict/1"
FILE, SIGNATURE = "verdict.json", "verdict.json.sig"
MOST_BYTES = 1 << 20
# Tags that go into a release file or a manifest; each is part of the statement.
BOUND = ("git_commit", "git_dirty", "data_md5", "dvc_lock_sha256", "model_sha256", "schema_sha256", "golden_sha256")


@dataclass(frozen=True)
class Opinion:
    """What a version's own files say the gate said.

    `verdict` is `passed` or `failed`, empty where nothing can be believed, and None where the store does not answer.
    `data` is what DVC has to hold of the version; None where nothing that can be believed lists it.
    """

    verdict: str | None
    reason: str
    data: tuple[Datum, ...] | None = None


def text(
    name: str, run_id: str, tags: dict[str, str], verdict: Verdict, data: tuple[Datum, ...] | None = None
) -> bytes:
    """Return the statement about a version that is about to be registered: canonical JSON."""
    facts = {tag: tags.get(tag) for tag in BOUND}
    said: dict[str, Any] = {"kind": KIND, "model": name, "run_id": run_id, **facts, **verdict.as_json()}
    said |= {} if data is None else {"data": [one.as_json() for one in data]}
    return (json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read(tracking: Tracking, version: Version, trust: Trust) -> Opinion:
    """Read and verify a version's statement; a tag that differs from it is reported."""
    try:
        there = set(tracking.files(version))
        if FILE not in there:
            return Opinion("", f"the version has no {FILE}: register it again, from a new commit")
        with tempfile.TemporaryDirectory(prefix="slipway-verdict-") as folder:
            content = _content(tracking.download(version, FILE, Path(folder)))
            found = tracking.download(version, SIGNATURE, Path(folder)) if SIGNATURE in there else None
            signature = _content(found) if found else b""
    except SlipwayError as error:
        return Opinion(None, f"{error.thing}: {error.found or error.expected or ''}".rstrip(": "))
    if content is None or signature is None:
        return Opinion("", f"{FILE} is no plain file of at most {MOST_BYTES} bytes")
    return judge(content, signature, version, trust)


def judge(content: bytes, signature: bytes, version: Version, trust: Trust) -> Opinion:
    """Say what a statement is worth for a version: its signature, whether it is about it, and what it says."""
    signer, why = signed_by(content, signature, trust, datetime.fromtimestamp(version.created / 1000, UTC))
    if why is not None:
        return Opinion("", f"{FILE} {why}")
    try:
        said = json.loads(content)
    except ValueError:
        return Opinion("", f"{FILE} is not JSON")
    if not isinstance(said, dict) or said.get("kind") != KIND:
        return Opinion("", f"{FILE} is no {KIND}")
    about = {"model": version.name, "run_id": version.run_id} | {tag: version.tags.get(tag) for tag in BOUND}
    if differ := [f"{key} {said.get(key)}, not {value}" for key, value in about.items() if said.get(key) != value]:
        return Opinion("", f"{FILE} is about another version: {'; '.join(differ)}")
    verdict = said.get("verdict")
    if verdict not in ("passed", "failed"):
        return Opinion("", f"{FILE} says no verdict")
    tag = version.tags.get("verdict")
    differs = "" if tag == verdict else f"; the tag verdict says {tag or 'nothing'}, and does not count"
    try:
        data = tuple(Datum(**one) for one in said["data"]) if "data" in said else None
    except TypeError:
        return Opinion("", f"{FILE} lists data in another form")
    return Opinion(verdict, f"the gate said {verdict}, {signer}{differs}", data)


def _content(path: Path) -> bytes | None:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MOST_BYTES:
        return None
    return path.read_bytes()

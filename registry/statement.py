"""verdict.json: what the gate said of one version, and of which bytes; kept and signed with the version's files.

Owns what promotion believes of the gate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registry import signed_file
from registry.provenance import Datum
from registry.signed_file import Kind
from registry.signing import Trust
from registry.tracking import Tracking, Version
from registry.verdict import Verdict
from slipway.answer import Answer

VERDICT = Kind("slipway-verdict", "verdict.json")


@dataclass(frozen=True)
class Opinion:
    """What a version's own files say the gate said.

    `verdict` is `passed` or `failed`, empty where nothing can be believed, and None where the store does not answer.
    `data` is what DVC has to hold of the version; None where nothing that can be believed lists it.
    """

    verdict: str | None
    reason: str
    data: tuple[Datum, ...] | None = None

    @property
    def answer(self) -> Answer:
        """Return whether the gate passed the version."""
        return Answer(None if self.verdict is None else self.verdict == "passed", self.reason)


def text(
    name: str, run_id: str, tags: dict[str, str], verdict: Verdict, data: tuple[Datum, ...] | None = None
) -> bytes:
    """Return the statement about a version that is about to be registered."""
    listed: dict[str, Any] = {} if data is None else {"data": [one.as_json() for one in data]}
    return signed_file.text(VERDICT, name, run_id, tags, {**verdict.as_json(), **listed})


def read(tracking: Tracking, version: Version, trust: Trust) -> Opinion:
    """Read and verify a version's statement; a tag that differs from it is reported.

    A key counts as of the version's creation, which MLflow's server writes.
    """
    found = signed_file.read(tracking, version, VERDICT, trust, datetime.fromtimestamp(version.created / 1000, UTC))
    if found.said is None:
        hint = ": register it again, from a new commit" if found.absent else ""
        return Opinion("" if found.answer.known else None, found.answer.reason + hint)
    verdict = found.said.get("verdict")
    if verdict not in ("passed", "failed"):
        return Opinion("", f"{VERDICT.file} holds no verdict")
    tag = version.tags.get("verdict")
    differs = "" if tag == verdict else f"; the tag verdict is {tag or 'missing'}, and does not count"
    try:
        data = tuple(Datum(**one) for one in found.said["data"]) if "data" in found.said else None
    except TypeError:
        return Opinion("", f"{VERDICT.file} lists data in another form")
    return Opinion(verdict, f"the gate's verdict is {verdict}, {found.answer.reason}{differs}", data)

"""Who may sign tokens: the keys of the issuer, and those of the smoke test, which sign for its subject alone.

A release's smoke test runs in the cluster with a private key beside it. Whoever reads that key can make tokens of the
subject `smoke` with the role `predict`, and no others: a key that is among the smoke test's is theirs alone, wherever
else it is published. Refuses nothing: without a usable key of its own the smoke test gets 401.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path

from serving.access import download, jwks
from serving.access.jwks import Key, Keys
from slipway.errors import SlipwayError

SUBJECT = "smoke"
ROLES = frozenset({"predict"})


@dataclass(frozen=True)
class Signers:
    """The keys as they were read; `notes` has what a person should know about them."""

    issuer: Keys = field(default_factory=Keys)
    smoke: Keys = field(default_factory=Keys)
    content: bytes = b""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.issuer) + len(self.smoke)

    def knows(self, kid: str | None) -> bool:
        """Say whether there is a key that a token with this kid may have been signed with."""
        return bool(self.find(kid))

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that a token with this kid may have been signed with; the smoke test always names its own."""
        return (*(self.smoke.find(kid) if kid in self.smoke.by_kid and kid is not None else ()), *self.issuer.find(kid))


def read(source: str, smoke: Path | None) -> Signers:
    """Read the issuer's keys, and the smoke test's where there is a file of them.

    Raises:
        BadInput: the issuer's set does not parse.
        Unavailable: it cannot be read.
    """
    content = download.read(source, download.FETCH_SECONDS)
    issuer = jwks.parse(content)
    own, own_content, notes = _smoke(smoke)
    theirs = [key.public for keys in own.by_kid.values() for key in keys]
    limited = {
        kid: tuple(dataclasses.replace(key, smoke=key.public in theirs) for key in keys)
        for kid, keys in issuer.by_kid.items()
    }
    shared = [str(kid) for kid, keys in limited.items() if any(key.smoke for key in keys)]
    if shared:
        notes += (f"{', '.join(shared)[:200]}: published for all, but the smoke test's: role predict alone",)
    skipped = tuple(f"the key set holds a key that is not used: {reason}" for reason in (*issuer.skipped, *own.skipped))
    return Signers(dataclasses.replace(issuer, by_kid=limited), own, content + b"\0" + own_content, (*skipped, *notes))


def _smoke(path: Path | None) -> tuple[Keys, bytes, tuple[str, ...]]:
    if path is None:
        return Keys(), b"", ()
    if not os.path.exists(path):  # noqa: PTH110 - of a folder that may not be read, Path raises
        note = f"{path} is not there: the key of the smoke test may sign tokens of every role (rotate its key)"
        return Keys(), b"", (note,)
    try:
        content = download.read(str(path))
        found = jwks.parse(content)
    except SlipwayError as error:
        return Keys(), b"", (f"the smoke test's keys in {path} are not used: {error.thing}: {error.found}",)
    own = {kid: tuple(dataclasses.replace(key, smoke=True) for key in keys) for kid, keys in found.by_kid.items()}
    return dataclasses.replace(found, by_kid=own), content, ()

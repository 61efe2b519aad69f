"""Who signed a commit, as the git program verifies it, and whether that counts.

Who may sign is a list of SSH keys (SLIPWAY_ALLOWED_SIGNERS) and whatever OpenPGP keys
the keyring trusts. A person is a key here, whatever the names are.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from registry.release.repository.commits import PRODUCTION, PROMOTE, REVERT, ROLLBACK, Commit
from registry.release.repository.history import Entry, history
from registry.release.repository.manifests import Clone
from registry.release.repository.requests import commit_of
from slipway.errors import Refused

# git's %G?: good, good of unknown trust; every other letter is no signature worth the name
GOOD, UNTRUSTED = "G", "U"
WORDS = {
    "N": "not signed",
    "U": "signed by a key that is not allowed",
    "B": "bad signature",
    "E": "cannot be checked: the key is not known here",
    "X": "signed by a signature that has expired",
    "Y": "signed by a key that has expired",
    "R": "signed by a key that was revoked",
}


@dataclass(frozen=True)
class Signature:
    """git's letter for a signature, and the fingerprint of its key: of the primary one, where it has subkeys."""

    letter: str
    fingerprint: str

    @property
    def said(self) -> str:
        """Say in words what is wrong with it."""
        return WORDS.get(self.letter, "not valid")


def signature(clone: Clone, sha: str) -> Signature:
    """Verify one commit's signature."""
    said = clone.git.run("log", "-1", "--format=%G?%x1f%GF%x1f%GP", sha).text
    letter, key, primary = (said.split("\x1f") + ["", ""])[:3]
    return Signature(letter or "N", primary.strip() or key.strip())


def own_signature(clone: Clone) -> Signature | None:
    """Return what the key that this clone signs with makes; None without one."""
    if not clone.remote.signs:
        return None
    return signature(clone, clone.commit({}, "Whose key is this\n", [clone.head]))


def counts(clone: Clone, signed: Signature) -> bool:
    """Say whether a signature is one of those who may: good by an SSH key will do where nobody listed any."""
    if signed.letter == UNTRUSTED and signed.fingerprint.startswith("SHA256:") and not clone.remote.lists_signers:
        return True
    return signed.letter == GOOD and bool(signed.fingerprint)


def verify(clone: Clone, model: str, root: str | None = None) -> list[str]:
    """Return what is wrong with production's history since `root`; nothing if every step is signed and approved.

    Every commit that touches production counts, on the branch itself and on whatever was merged:
    a signed head says nothing about what is under it. A release is a merge by another key than
    the one that asked for it, or a record of a rollback.
    """
    path = clone.path(model, PRODUCTION)
    if root is not None and not clone.contains(root):
        raise Refused(
            f"{root} is not in the history of {clone.where}", expected="a commit of this branch", hint="git log"
        )
    span = f"{root}..{clone.head}" if root else clone.head
    merged = clone.git.run("rev-list", "--full-history", span, "--", path).text.split()
    steps = clone.git.run("rev-list", "--first-parent", span, "--", path).text.split()
    problems = []
    for sha in dict.fromkeys([*steps, *merged]):
        signed = signature(clone, sha)
        if signed.letter != GOOD:
            problems.append(f"{sha[:12]} {commit_of(clone, sha).subject}: {signed.said}")
    entries = [one for one in history(clone, model, PRODUCTION) if one.release or one.problem]
    released = [one.commit for one in entries if one.commit.sha in set(steps) and one.release]
    said = [f"{one.sha[:12]} {one.subject}: {why}" for one in released if (why := _unapproved(clone, one))]
    return problems + said + _replays(clone, entries, set(steps))


def _unapproved(clone: Clone, commit: Commit) -> str | None:
    if commit.action in (ROLLBACK, REVERT):
        return None
    if not commit.parents[1:]:
        return "released without an approval"
    asked, approved = signature(clone, commit.parents[1]).fingerprint, signature(clone, commit.sha).fingerprint
    return "approved with the key that asked for it" if approved and asked == approved else None


def _replays(clone: Clone, entries: list[Entry], steps: set[str]) -> list[str]:
    """Name each step back to an older version that is no record of a rollback."""
    problems = []
    for newer, older in itertools.pairwise(entries):
        if newer.commit.sha not in steps or not newer.release or not older.release:
            continue
        if newer.release.version < older.release.version and not _says_rollback(clone, newer.commit):
            step = f"from version {older.release.version} back to {newer.release.version}"
            problems.append(f"{newer.commit.sha[:12]} {newer.commit.subject}: {step} without a record of a rollback")
    return problems


def _says_rollback(clone: Clone, commit: Commit) -> bool:
    told = [commit, *(commit_of(clone, parent) for parent in commit.parents[1:])]
    return any(
        one.action in (ROLLBACK, REVERT) or (one.action == PROMOTE and "Slipway-Rollback" in one.trailers)
        for one in told
    )

"""Who signed a commit, as the git program verifies it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from registry.release.repository.commits import PRODUCTION, PROMOTE, REVERT, ROLLBACK, Commit
from registry.release.repository.history import history
from registry.release.repository.manifests import Clone
from registry.release.repository.requests import commit_of
from slipway.errors import Refused

# git's %G?: good, good of unknown trust; every other letter is no signature worth the name
GOOD, UNTRUSTED = "G", "U"
WORDS = {"N": "not signed", "U": "signed by a key that is not allowed", "B": "bad signature", "E": "cannot be checked"}


@dataclass(frozen=True)
class Signature:
    """git's letter for a signature, and the fingerprint of its key."""

    letter: str
    fingerprint: str

    @property
    def valid(self) -> bool:
        return self.letter in (GOOD, UNTRUSTED) and bool(self.fingerprint)


def signature(clone: Clone, sha: str) -> Signature:
    """Verify one commit's signature."""
    said = clone.git.run("log", "-1", "--format=%G?%x1f%GF", sha).text
    letter, _, fingerprint = said.partition("\x1f")
    return Signature(letter or "N", fingerprint.strip())


def own_fingerprint(clone: Clone) -> str | None:
    """Return the fingerprint of the key that this clone signs with; None without one."""
    if not clone.remote.signs:
        return None
    return signature(clone, clone.commit({}, "Whose key is this\n", [clone.head])).fingerprint


def verify(clone: Clone, model: str, root: str | None = None) -> list[str]:
    """Return what is wrong with production's history since `root`; nothing if every step is signed and allowed.

    Every commit that touches production counts, on the branch itself and on whatever was merged:
    a signed head says nothing about what is under it.
    """
    path = clone.path(model, PRODUCTION)
    if root is not None and not clone.contains(root):
        raise Refused(f"{root} is not in the history of {clone.where}", hint="name a commit of this branch")
    span = f"{root}..{clone.head}" if root else clone.head
    merged = clone.git.run("rev-list", "--full-history", span, "--", path).text.split()
    steps = clone.git.run("rev-list", "--first-parent", span, "--", path).text.split()
    problems = []
    for sha in dict.fromkeys([*steps, *merged]):
        letter = signature(clone, sha).letter
        if letter != GOOD:
            problems.append(f"{sha[:12]} {commit_of(clone, sha).subject}: {WORDS.get(letter, 'not valid')}")
    return problems + _replays(clone, model, set(steps))


def _replays(clone: Clone, model: str, steps: set[str]) -> list[str]:
    """Name each step back to an older version that is no record of a rollback."""
    problems = []
    entries = [one for one in history(clone, model, PRODUCTION) if one.release or one.problem]
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

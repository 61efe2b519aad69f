"""What makes a step of production a release that someone approved, or a way back to one. Pure.

An approval is a merge of a new request, by another key and another person than those who asked,
that takes the request's release file and nothing else. A way back is a commit that brings back,
byte for byte, a release that production ran by such a step. Everything else is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from release.git.commits import PROMOTE, REVERT, ROLLBACK, Commit
from release.release_file import Release

ALONE = "approved with the key that asked for it"


@dataclass(frozen=True)
class Merged:
    """What a merge brought: `commits` that the branch had not, the request's release file and what it changed.

    `changed` and `base` are against the commit where the request left the branch; None where it never did.
    """

    commits: tuple[Commit, ...]
    tip: Commit
    blob: str | None
    changed: tuple[str, ...] | None
    base: str | None


@dataclass(frozen=True)
class ProductionStep:
    """A commit of the branch that changed production's release file at `path`, and what it was before.

    `blob` and `blob_before` are the file's names in Git, `problem` is why it cannot be read.
    """

    commit: Commit
    path: str
    changed: tuple[str, ...]
    blob: str | None
    blob_before: str | None
    release: Release | None
    before: Release | None
    problem: str | None = None
    merged: Merged | None = None


@dataclass
class Past:
    """What came before a step: release files that production ran by right and that staging ran; versions rejected."""

    ran: set[str] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)


def wrong(step: ProductionStep, past: Past, keys: Mapping[str, str]) -> list[str]:
    """Say why a step is neither an approved release nor a way back to one; nothing where it is.

    `keys` are fingerprints by commit, empty where no one signed it.
    """
    if step.problem:
        return [f"its release file cannot be read: {step.problem}"]
    if step.release is None:
        back = step.blob is None or step.before is not None
        return ["takes the release away without a record of a rollback"] if back and step.before else []
    found = [*_contradicts(step.commit), *_lies(step.commit, step.release)]
    if len(step.commit.parents) > 1:
        found += _approval(step, past, keys)
    elif step.commit.action in (ROLLBACK, REVERT):
        found += _way_back(step, past)
    else:
        found += _unasked(step)
    if step.release.version in past.rejected:
        found.append(f"brings back version {step.release.version}, which was rejected")
    return found


def alone(commit: Commit, brought: tuple[Commit, ...] | None, keys: Mapping[str, str]) -> str | None:
    """Say that one key or one person wrote and merged a change; None where there were two.

    `brought` is what a merge added to the branch, None where the commit is not a merge. Without `keys` people are told
    apart by their addresses.
    """
    if brought is None:
        return f"by {commit.author} alone"
    key = keys.get(commit.sha)
    if key and any(keys.get(one.sha) == key for one in brought):
        return ALONE
    mine = commit.author.key
    same = next((who for one in brought for who in (one.author, one.committer) if who.key == mine), None)
    return f"asked for and approved by the same person, {same}" if same else None


def _unasked(step: ProductionStep) -> list[str]:
    if step.release and step.before and step.release.version < step.before.version:
        way = f"from version {step.before.version} back to {step.release.version}"
        return [f"{way} without a record of a rollback"]
    return ["released without an approval"]


def _approval(step: ProductionStep, past: Past, keys: Mapping[str, str]) -> Iterator[str]:
    merged, path = step.merged, step.path
    if merged is None or len(step.commit.parents) != 2:
        yield "merges more than one request"
        return
    if not merged.commits:
        yield "merges nothing new: its second parent was in the branch before"
        return
    approver = step.commit.trailers.get("Slipway-Approved-By")
    if same := alone(step.commit, merged.commits, keys):
        yield same
    elif approver is not None and approver != str(step.commit.author):
        yield f"names {approver} as its approver, but {step.commit.author} made it"
    if step.blob != merged.blob:
        yield "releases something else than the request that it merges"
    if merged.changed is None:
        yield "merges a request that shares no history with the branch"
    elif merged.changed != (path,):
        yield f"its request changes {_listed(merged.changed)}, not the release file alone"
    if others := tuple(one for one in step.changed if one != path):
        yield f"changes {_listed(others)} beside the release file"
    if merged.changed is not None and merged.base != step.blob_before:
        yield "merges an old request: production had changed since it was opened"
    yield from _asked(step, merged, past)


def _asked(step: ProductionStep, merged: Merged, past: Past) -> Iterator[str]:
    if merged.tip.action != PROMOTE:
        yield "its request does not say that it asks for production"
    elif step.release:
        yield from (f"its request {one}" for one in _lies(merged.tip, step.release))
    if step.blob not in past.staged:
        yield f"version {step.release.version if step.release else ''} was never staged"
    said = "Slipway-Rollback" in merged.tip.trailers or "Slipway-Rollback" in step.commit.trailers
    if step.release and step.before and step.release.version < step.before.version and not said:
        yield f"from version {step.before.version} back to {step.release.version} without a record of a rollback"


def _way_back(step: ProductionStep, past: Past) -> Iterator[str]:
    assert step.release is not None  # noqa: S101 - `wrong` looked
    if step.blob not in past.ran:
        yield f"rolls back to version {step.release.version}, which production never ran by an approval"
    if others := tuple(one for one in step.changed if one != step.path):
        yield f"changes {_listed(others)} beside the release file"
    gone = step.commit.trailers.get("Slipway-Rejects")
    if gone is not None and (step.before is None or gone != str(step.before.version)):
        yield f"rejects version {gone}; production ran {step.before.version if step.before else 'none'}"


def _contradicts(commit: Commit) -> list[str]:
    return [f"has {one} twice, with different values" for one in commit.contradicts]


def _lies(commit: Commit, release: Release) -> list[str]:
    facts = {"Model": release.model, "Version": str(release.version), "Digest": release.digest, "Run": release.run_id}
    said = {name: commit.trailers.get(f"Slipway-{name}") for name in facts}
    return [
        f"has {name.lower()} {said[name]}; its release file has {fact}"
        for name, fact in facts.items()
        if said[name] not in (None, fact)
    ]


def _listed(paths: tuple[str, ...]) -> str:
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "") if paths else "nothing"

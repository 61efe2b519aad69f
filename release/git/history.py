"""What an environment has run, read from Git alone: every release with who asked for it, when, and who approved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from release.environments import PRODUCTION
from release.git.approval import alone
from release.git.commits import Actor, Commit
from release.git.manifests import Clone
from release.git.merge_commits import merged_commits
from release.release_file import Release, parse
from slipway.errors import BadInput


@dataclass(frozen=True)
class EnvironmentStep:
    """One step of an environment; `release` is None where it released nothing, `problem` where it is unreadable.

    `asked` is who wanted it: the author of the merged request, or of the commit itself. `request` is the newest
    commit that a merge took, `alone` says that who merged it had asked for it too, so that no one else approved.
    """

    commit: Commit
    asked: Actor
    release: Release | None
    problem: str | None = None
    request: Commit | None = None
    alone: str | None = None

    @property
    def approver(self) -> str | None:
        """Who approved: named in a trailer, or who merged."""
        named = self.commit.trailers.get("Slipway-Approved-By")
        return named or (str(self.commit.author) if len(self.commit.parents) > 1 else None)

    @property
    def own(self) -> bool:
        """Say whether who asked merged it as well: no one approved it then."""
        return self.alone is not None

    @property
    def by_slipway(self) -> bool:
        """Say whether the step says that it is one of the release path: an act, or the merge of a request."""
        return self.commit.action is not None or (self.request is not None and self.request.action is not None)

    @property
    def rejects(self) -> int | None:
        """The version that this step took away for good."""
        said = self.commit.trailers.get("Slipway-Rejects", "")
        return int(said) if said.isdigit() else None


def history(clone: Clone, model: str, environment: str = PRODUCTION, limit: int | None = None) -> list[EnvironmentStep]:
    """Return the environment's releases, newest first.

    Raises:
        BadInput: no model of this name, or no such environment.
    """
    path = clone.path(model, environment)
    if model not in clone.models():
        known = ", ".join(clone.models()) or "none"
        raise BadInput(f"{clone.where} has no model {model}", expected=f"one of {known}", hint="slipway status")
    commits = clone.log(path)[:limit]
    blobs = {one.sha: _blob(clone, one.sha, path) for one in commits}
    contents = clone.blobs([blob for blob in blobs.values() if blob])
    merges = [one for one in commits if len(one.parents) > 1]
    requests, new = clone.named([one.parents[1] for one in merges]), merged_commits(clone, merges)
    asked = {one.sha: requests[one.parents[1]] for one in merges}
    same = {one.sha: alone(one, new[one.sha], {}) for one in merges}
    return [
        _entry(one, asked.get(one.sha), same.get(one.sha), contents.get(blobs[one.sha] or ""), path) for one in commits
    ]


def rejected(entries: list[EnvironmentStep]) -> set[int]:
    """Return the versions that rollbacks took away, by Git alone."""
    return {entry.rejects for entry in entries if entry.rejects is not None}


def taken_back(entries: list[EnvironmentStep]) -> list[tuple[EnvironmentStep, Release]]:
    """Return the steps that took a release back by Git alone, newest first, each with what it took away.

    Such as `git revert` of a merge: neither a rollback of Slipway, which rejects what it takes away, nor a request.
    """
    found = []
    for step, before in pairwise(entries):
        if before.release is None or step.problem or step.by_slipway:
            continue
        if step.release is None or step.release.version < before.release.version:
            found.append((step, before.release))
    return found


def rejected_run(entries: list[EnvironmentStep], version: int, run_id: str) -> bool:
    """Say whether a rollback took this very version away: a model that was made again counts from 1."""
    for index, entry in enumerate(entries):
        if entry.rejects != version:
            continue
        before = (one.release for one in entries[index + 1 :] if one.release and one.release.version == version)
        release = next(before, None)
        if release is None or release.run_id == run_id:
            return True
    return False


def _blob(clone: Clone, commit: str, path: str) -> str | None:
    listed = clone.git.run("ls-tree", "-z", "--full-tree", commit, "--", path).text
    return listed.partition("\t")[0].split()[2] if listed else None


def _entry(
    commit: Commit, request: Commit | None, same: str | None, content: bytes | None, path: str
) -> EnvironmentStep:
    made = EnvironmentStep(commit, request.author if request else commit.author, None, None, request, same)
    if content is None:
        return made
    try:
        return replace(made, release=parse(content.decode(errors="replace"), f"{path} at {commit.sha[:12]}"))
    except BadInput as error:
        return replace(made, problem=error.found or error.thing)

"""What the merges of the branch's own line brought: one look at the complete graph, however many merges there are."""

from __future__ import annotations

from release.git.commits import Commit
from release.git.manifests import Clone


def merged_commits(clone: Clone, merges: list[Commit]) -> dict[str, tuple[Commit, ...]]:
    """Return the commits that each of these merges added to the branch, newest first.

    `merges` are commits of the branch's own line.
    """
    if not merges:
        return {}
    listed = clone.git.run("rev-list", "--parents", "--topo-order", clone.head).text.splitlines()
    parents = {sha: above for sha, *above in map(str.split, listed)}
    wanted, seen = {one.sha for one in merges}, set[str]()
    shas: dict[str, list[str]] = {}
    for sha in reversed(_line(parents, clone.head)):
        seen.add(sha)
        new = _unseen(parents, parents[sha][1:], seen)
        if sha in wanted:
            shas[sha] = new
    known = clone.named(sorted({one for new in shas.values() for one in new}))
    return {sha: tuple(known[one] for one in new) for sha, new in shas.items()}


def _line(parents: dict[str, list[str]], head: str) -> list[str]:
    found = [head]
    while parents.get(found[-1]):
        found.append(parents[found[-1]][0])
    return found


def _unseen(parents: dict[str, list[str]], tips: list[str], seen: set[str]) -> list[str]:
    """Return what is reached from `tips` and was not seen, and call it seen."""
    found, waiting = [], list(tips)
    while waiting:
        sha = waiting.pop(0)
        if sha not in seen:
            seen.add(sha)
            found.append(sha)
            waiting += parents.get(sha, [])
    return found

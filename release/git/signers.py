"""Whether production's history is what it says: `slipway history --verify`, and who else trusts history.

Every commit that touches what production renders counts, on the branch itself and on whatever was
merged: a signed head says nothing about what is under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from release.environments import PRODUCTION
from release.git.approval import Past, ProductionStep, alone
from release.git.commits import Commit
from release.git.manifests import Clone
from release.git.requests import commit_of
from release.git.runs import ATTRIBUTES, MODULES, converts, leaves, program
from release.git.signatures import GOOD, Signature, listed, signatures, speaks_for
from release.git.signatures import signature as signature
from release.git.steps import Change, changes, judged, line, merged, rendered, step, watched
from slipway.errors import Refused

CLOCKS_DIFFER = timedelta(minutes=10)


def verify(clone: Clone, model: str, root: str | None = None) -> list[str]:
    """Return what is wrong with production's history since `root`, newest first; nothing where all is right.

    A commit is wrong that no allowed key signed, or one of another person; a release, that is not a merge
    of a new request by another key than the one that asked for it, nor a record of a rollback to what
    production ran; a change of manifests, that changes by one key which program runs.
    """
    if clone.git.run("rev-parse", "--is-shallow-repository").text != "false":
        raise Refused(
            f"{clone.where} gives only a part of its history", expected="all of it", hint="git fetch --unshallow there"
        )
    if root is not None and not clone.contains(root):
        raise Refused(
            f"{root} is not in the history of {clone.where}",
            expected="a commit of this branch",
            hint="choose a commit of: git log --oneline",
        )
    span, paths = f"{root}..{clone.head}" if root else clone.head, watched(clone, model)
    commits = line(clone, span, paths)
    found = {one.sha: changes(clone, next(iter(one.parents), None), one.sha) for one in commits}
    read = {one.sha: made for one in commits if (made := step(clone, model, one, found[one.sha]))}
    everybody = _touching(clone, span, paths, commits)
    everybody |= {one.sha: one for made in read.values() if made.merged for one in made.merged.commits}
    signed = signatures(clone, everybody)
    keys = {sha: one.fingerprint for sha, one in signed.items() if one.letter == GOOD}
    said = {sha: list(_signed(clone, one, signed[sha])) for sha, one in everybody.items()}
    past = Past(ran=_ran(clone, model, root), rejected=_rejected(clone, model, root))
    for sha, why in judged(clone, model, list(read.values()), keys, past).items():
        said[sha] += why
    for one in commits:
        if one.parents:
            said[one.sha] += _manifests(clone, model, one, found[one.sha], keys)
    return [f"{sha[:12]} {everybody[sha].subject}: {'; '.join(why)}" for sha, why in said.items() if why]


def unsound(clone: Clone, model: str) -> dict[str, list[str]]:
    """Return, by commit, why a step of production is not a release that counts, as `verify` judges it."""
    read = _steps(clone, model, None)
    merged = {one.sha: one for made in read if made.merged for one in made.merged.commits}
    signed = signatures(clone, {made.commit.sha: made.commit for made in read} | merged)
    keys = {sha: one.fingerprint for sha, one in signed.items() if one.letter == GOOD}
    return {sha: why for sha, why in judged(clone, model, read, keys, Past()).items() if why}


def _touching(clone: Clone, span: str, paths: list[str], commits: list[Commit]) -> dict[str, Commit]:
    """Return every commit that touches `paths`, newest first: those of the branch's own line, then what they merged."""
    beside = clone.git.run("rev-list", "--full-history", "--topo-order", span, "--", *paths).text.split()
    known = {one.sha: one for one in reversed(commits)}
    return known | clone.named([one for one in beside if one not in known])


def _signed(clone: Clone, commit: Commit, signed: Signature) -> Iterator[str]:
    if signed.letter != GOOD:
        yield signed.said
        return
    patterns = listed(clone).get(signed.fingerprint)
    if patterns is not None and not speaks_for(patterns, commit.committer):
        yield f"signed by the key of {', '.join(patterns)} in the name of {commit.committer}"
    # A key that is no longer allowed signs validly in its own time, and who signs writes the time.
    for parent in commit.parents:
        before = commit_of(clone, parent).when
        if datetime.fromisoformat(commit.when) < datetime.fromisoformat(before) - CLOCKS_DIFFER:
            yield f"dated {commit.when}, before the commit that it follows ({before})"
            return


def _ran(clone: Clone, model: str, root: str | None) -> set[str]:
    return {one.blob for one in _steps(clone, model, root) if one.blob and one.release} if root else set()


def _rejected(clone: Clone, model: str, root: str | None) -> set[int]:
    said = [one.commit.trailers.get("Slipway-Rejects", "") for one in _steps(clone, model, root)] if root else []
    return {int(one) for one in said if one.isdigit()}


def _steps(clone: Clone, model: str, span: str | None) -> list[ProductionStep]:
    commits = line(clone, span or clone.head, [clone.path(model, PRODUCTION)])
    read = [step(clone, model, one, changes(clone, next(iter(one.parents), None), one.sha)) for one in commits]
    return [one for one in read if one is not None]


def _manifests(clone: Clone, model: str, commit: Commit, found: list[Change], keys: dict[str, str]) -> Iterator[str]:
    """Say what a commit changes of production beside its release file that one person must not change alone."""
    path, folder = clone.path(model, PRODUCTION), clone.remote.folder
    mine = [one for one in rendered(clone, model, found) if one.path != path]
    texts = _texts(clone, mine)
    for one in mine:
        before, after = texts.get(one.before, ""), texts.get(one.after, "")
        if one.is_link:
            yield f"makes {one.path} a link"
        elif one.path.endswith(ATTRIBUTES) and converts(after) and not converts(before):
            yield f"{one.path} lets a checkout differ from what Git holds"
        elif outside := sorted(
            set(leaves(folder, model, one.path, after)) - set(leaves(folder, model, one.path, before))
        ):
            yield f"{one.path} refers to {', '.join(outside)}, which no review covers"
    statements = _programs(mine, texts)
    if statements and (why := _one_key(clone, commit, statements, keys)):
        yield why


def _programs(mine: list[Change], texts: dict[str, str]) -> dict[str, list[str]]:
    """Return, by path, what changed of the statements about which program runs."""
    plain = [one for one in mine if not one.is_link and not one.path.endswith((ATTRIBUTES, MODULES))]
    pairs = {one.path: (program(texts.get(one.before, "")), program(texts.get(one.after, ""))) for one in plain}
    return {path: sorted(set(old) ^ set(new)) for path, (old, new) in pairs.items() if old != new}


def _one_key(clone: Clone, commit: Commit, statements: dict[str, list[str]], keys: dict[str, str]) -> str | None:
    path, (first, *_) = next(iter(statements.items()))
    what = f"{path} changes which program runs ({first[:120]}), outside of a release"
    brought = merged(clone, path, commit)
    if brought is None or not brought.commits:
        return f"{what}, {alone(commit, None, keys)}"
    own = [one for one in changes(clone, brought.tip.sha, commit.sha) if one.path in statements]
    return (
        f"{what}, and not as what it merges"
        if own
        else (f"{what}: {why}" if (why := alone(commit, brought.commits, keys)) else None)
    )


def _texts(clone: Clone, found: list[Change]) -> dict[str, str]:
    wanted = [
        blob
        for one in found
        for mode, blob in ((one.mode_before, one.before), (one.mode, one.after))
        if mode.startswith("100")
    ]
    return {blob: text.decode(errors="replace") for blob, text in clone.blobs(sorted(set(wanted))).items()}

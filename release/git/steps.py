"""The steps of production, read from Git: every commit that changed what production of a model renders."""

from __future__ import annotations

from dataclasses import dataclass

from release.environments import PRODUCTION, STAGING
from release.git.approval import Merged, Past, ProductionStep, wrong
from release.git.commits import Commit
from release.git.manifests import LINK, Clone
from release.git.requests import commit_of
from release.git.runs import ATTRIBUTES, MODULES, renders
from release.git.staged import ABSENT, RAW, blob_at, staged
from release.release_file import Release, parse
from slipway.errors import BadInput

SUBMODULE = "160000"


@dataclass(frozen=True)
class Change:
    """One file that a commit changed against another: modes and names in Git before and after."""

    path: str
    mode_before: str
    mode: str
    before: str
    after: str

    @property
    def is_link(self) -> bool:
        return self.mode in (LINK, SUBMODULE)


def watched(clone: Clone, model: str) -> list[str]:
    """Return the pathspecs of what production of `model` may render."""
    folder = clone.remote.folder
    others = [f":(exclude){folder}/apps/{one}" for one in clone.models() if one != model]
    above = [f"{'/'.join(folder.split('/')[:depth])}/{ATTRIBUTES}" for depth in range(1, folder.count("/") + 1)]
    own_staging = f":(exclude){folder}/apps/{model}/{STAGING}"
    return [folder, ATTRIBUTES, MODULES, *above, own_staging, *others]


def line(clone: Clone, span: str, paths: list[str]) -> list[Commit]:
    """Return the commits of the branch's own line that changed `paths`, oldest first; a merge is one step."""
    shas = clone.git.run("rev-list", "--first-parent", "--topo-order", "--reverse", span, "--", *paths).text.split()
    named = clone.named(shas)
    return [named[one] for one in shas]


def changes(clone: Clone, before: str | None, after: str) -> list[Change]:
    """Return every file that differs between two commits; with no `before`, every file of `after`."""
    words = ["-r", "-z", "--no-renames", "--no-abbrev"]
    words += [before, after] if before else ["--root", "--no-commit-id", after]
    out = clone.git.run("diff-tree", *words).out.decode(errors="replace")
    return [Change(path, one, two, old, new) for one, two, old, new, path in RAW.findall(out)]


def rendered(clone: Clone, model: str, found: list[Change]) -> list[Change]:
    """Return the changes to what production of `model` may render."""
    return [one for one in found if renders(clone.remote.folder, model, one.path)]


def step(clone: Clone, model: str, commit: Commit, found: list[Change]) -> ProductionStep | None:
    """Read a commit as a step of production's release file; None where it left the file as it was."""
    path = clone.path(model, PRODUCTION)
    own = next((one for one in found if one.path == path), None)
    if own is None:
        return None
    before, _ = _release(clone, own.mode_before, own.before, path)
    release, problem = _release(clone, own.mode, own.after, path)
    blob, old = (_name(own.mode, own.after), _name(own.mode_before, own.before))
    paths = tuple(sorted(one.path for one in found))
    return ProductionStep(commit, path, paths, blob, old, release, before, problem, merged(clone, path, commit))


def merged(clone: Clone, path: str, commit: Commit) -> Merged | None:
    """Read what a merge of two brought; None where the commit is none."""
    if len(commit.parents) != 2:
        return None
    ours, theirs = commit.parents
    new = list(clone.named(clone.git.run("rev-list", theirs, f"^{ours}").text.split()).values())
    base = clone.git.attempt("merge-base", ours, theirs).text or None
    changed = tuple(sorted(one.path for one in changes(clone, base, theirs))) if base else None
    tip = commit_of(clone, theirs)
    return Merged(tuple(new), tip, blob_at(clone, theirs, path), changed, blob_at(clone, base, path) if base else None)


def judged(
    clone: Clone, model: str, found: list[ProductionStep], keys: dict[str, str], past: Past
) -> dict[str, list[str]]:
    """Judge steps in their order, oldest first; return what is wrong with each, by commit."""
    said: dict[str, list[str]] = {}
    for one in found:
        if len(one.commit.parents) > 1:
            past.staged = staged(clone, model, one.commit.parents[0])
        said[one.commit.sha] = why = wrong(one, past, keys)
        if one.blob and one.release and not why:
            past.ran.add(one.blob)
        if one.release and (gone := one.commit.trailers.get("Slipway-Rejects", "")).isdigit():
            past.rejected.add(int(gone))
    return said


def _release(clone: Clone, mode: str, blob: str, path: str) -> tuple[Release | None, str | None]:
    if mode in (LINK, SUBMODULE):
        return None, "it is a link" if mode == LINK else "it is a submodule"
    if mode == ABSENT:
        return None, None
    try:
        found = parse(clone.blobs([blob])[blob].decode(errors="replace"), path)
    except BadInput as error:
        return None, error.found or error.thing
    if found is not None and not path.endswith(f"/apps/{found.model}/{PRODUCTION}/release/kustomization.yaml"):
        return None, f"it releases another model, {found.model}"
    return found, None


def _name(mode: str, blob: str) -> str | None:
    return None if mode == ABSENT else blob

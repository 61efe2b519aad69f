"""A request's branch: what it must be to be worth an approval.

One commit over the main branch that copies a release file of staging to
production, byte for byte, while production is still what it was. Staging may
run a newer version by then; it may not run the same version as another image.
"""

from __future__ import annotations

from release.environments import PRODUCTION, STAGING
from release.git.commits import LOG_FORMAT, Commit, read_log
from release.git.manifests import Clone
from release.git.push import branches
from release.git.staged import blob_at, staged


def tip(clone: Clone, branch: str) -> str | None:
    """Fetch a request's branch; return its tip, None where there is no such branch."""
    if branch not in branches(clone, branch):
        return None
    ref = f"refs/slipway/requests/{branch}"
    clone.git.run("fetch", "--quiet", "--no-tags", "--filter=blob:none", "origin", f"+refs/heads/{branch}:{ref}")
    return clone.git.run("rev-parse", f"{ref}^{{commit}}").text


def commit_of(clone: Clone, sha: str) -> Commit:
    """Return one commit with its trailers."""
    return read_log(clone.git.run("log", "-1", "-z", f"--format={LOG_FORMAT}", sha).out.decode(errors="replace"))[0]


def stale(clone: Clone, model: str, sha: str) -> str | None:
    """Say why the request with this tip can no longer be approved; None while it can."""
    path = clone.path(model, PRODUCTION)
    base = clone.git.attempt("merge-base", sha, clone.head).text
    if not base:
        return "it shares no history with the branch"
    if base == sha:
        return "it is merged already"
    changed = clone.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, sha).out.decode()
    touched = sorted(filter(None, changed.split("\0")))
    if touched != [path]:
        return f"it changes {', '.join(touched[:5]) or 'nothing'}, not {path} alone"
    if clone.text(path, base) != clone.text(path):
        return "production has changed since it was opened"
    if blob_at(clone, sha, path) not in staged(clone, model, clone.head):
        return "its release file is not one that staging ran, byte for byte"
    asked, now = clone.release(model, PRODUCTION, sha), clone.release(model, STAGING)
    if asked is not None and now is not None and asked.version == now.version and asked != now:
        return f"staging runs another image of version {now.version}: its release file is not staging's, byte for byte"
    return None

"""What staging has had: the names in Git of its release files, and of a file at a commit."""

from __future__ import annotations

import re

from release.environments import STAGING
from release.git.manifests import LINK, Clone

ABSENT = "000000"
RAW = re.compile(r":(\d{6}) (\d{6}) ([0-9a-f]+) ([0-9a-f]+) \w+\0([^\0]*)\0")


def blob_at(clone: Clone, commit: str, path: str) -> str | None:
    """Return a file's name in Git at a commit; None where there is none, or a link."""
    listed = clone.git.run("ls-tree", "-z", "--full-tree", commit, "--", path).text
    if not listed:
        return None
    mode, kind, blob = listed.partition("\t")[0].split()
    return blob if kind == "blob" and mode != LINK else None


def staged(clone: Clone, model: str, commit: str | None) -> set[str]:
    """Return the names in Git of every release file that staging had up to a commit."""
    path = clone.path(model, STAGING)
    words = ("log", "--first-parent", "-m", "--raw", "-z", "--no-abbrev", "--no-renames", "--format=")
    out = clone.git.run(*words, commit or clone.head, "--", path).out.decode(errors="replace")
    return {new for _, mode, _, new, _ in RAW.findall(out) if mode != ABSENT}

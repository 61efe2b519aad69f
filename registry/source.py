"""What Git says about the folder: the commit, and whether anything differs from it.

Refuses a folder outside Git and, unless it is allowed, a tree with changes: a
version must lead back to what made it.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import BadInput, Refused


@dataclass(frozen=True)
class Source:
    """A commit, and the digest of what differs from it (empty: nothing does)."""

    top: Path
    commit: str
    changes: str

    @property
    def dirty(self) -> bool:
        return bool(self.changes)


def inspect(folder: Path, allow_dirty: bool) -> Source:
    """Find the repository around `folder` and what has changed in it.

    Raises:
        BadInput: no Git repository, or one without a commit.
        Refused: the tree has changes and `allow_dirty` is false.
    """
    top = toplevel(folder)
    if top is None:
        raise BadInput(
            f"{folder} is not in a Git repository",
            expected="a commit that the version can lead back to",
            hint="git init && git add -A && git commit",
        )
    commit = _git(top, "rev-parse", "--verify", "--quiet", "HEAD").decode().strip()
    if not commit:
        raise BadInput(f"{top} has no commit yet", hint="git add -A && git commit")
    status = _git(top, "status", "--porcelain=v1", "--untracked-files=all", "-z")
    changed = [entry.decode(errors="replace") for entry in status.split(b"\0") if entry]
    if changed and not allow_dirty:
        raise Refused(
            f"{top} has uncommitted changes",
            expected="a clean tree, so that the version leads back to what made it",
            found="; ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else ""),
            hint="git add -A && git commit, or slipway register --allow-dirty",
        )
    return Source(top, commit, _changes(top, status) if changed else "")


def toplevel(folder: Path) -> Path | None:
    """Return the top of the working tree around `folder`, if there is one."""
    if not folder.is_dir():
        return None
    found = _git(folder, "rev-parse", "--show-toplevel").decode().strip()
    return Path(found) if found else None


def _changes(top: Path, status: bytes) -> str:
    digest = hashlib.sha256(status)
    digest.update(_git(top, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff"))
    for name in _git(top, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
        path = top / name.decode(errors="surrogateescape")
        if name and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _git(folder: Path, *words: str) -> bytes:
    try:
        ran = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise BadInput("git is not installed", expected="git on PATH", hint="install git") from error
    return ran.stdout if ran.returncode == 0 else b""

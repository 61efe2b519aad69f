"""What Git knows about the folder: the commit, and whether anything differs from it.

Refuses a folder outside Git and, unless it is allowed, a tree with changes: a
version must lead back to what made it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from slipway import programs
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
        BadInput: no Git repository, one without a commit, or one that Git cannot read.
        Refused: the tree has changes and `allow_dirty` is false.
    """
    top = toplevel(folder)
    if top is None:
        raise BadInput(
            f"{folder} is not in a Git repository",
            expected="a commit that the version can lead back to",
            hint="git init && git add -A && git commit",
        )
    commit = _asked(top, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        raise BadInput(
            f"{top} has no commit yet",
            expected="a commit that the version can lead back to",
            hint="git add -A && git commit",
        )
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
    found = _asked(folder, "rev-parse", "--show-toplevel")
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


def _asked(folder: Path, *words: str) -> str:
    """Return the output of Git; nothing where it fails."""
    ran = _run(folder, *words)
    return ran.stdout.decode().strip() if ran.returncode == 0 else ""


def _git(folder: Path, *words: str) -> bytes:
    """Return the output of Git; a failure must not look like a tree without changes."""
    ran = _run(folder, *words)
    if ran.returncode:
        raise BadInput(
            f"git {words[0]} failed in {folder}",
            expected="a repository that Git can read",
            found=ran.stderr.decode(errors="replace").strip()[-300:],
            hint=f"git -C {folder} status",
        )
    return ran.stdout


def _run(folder: Path, *words: str) -> CompletedProcess[bytes]:
    return programs.run(["git", "-C", str(folder), *words], capture_output=True)

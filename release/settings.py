"""The release path's settings, read from the environment that an entry point hands over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.remote import Project
from registry.signing import Trust
from release.git.commits import Actor, actor, signing
from release.git.manifests import NOBODY, SIGNERS, Remote
from slipway import programs
from slipway.errors import BadInput

EMBEDDED = Path("var/gitops.git")


@dataclass(frozen=True)
class ReleaseSettings:
    """Where the manifests, the forge and the records are, and who acts."""

    remote: str
    branch: str
    folder: str
    signing_key: str | None
    allowed_signers: Path | None
    forge: str
    audit_url: str
    audit_lost: str | None
    runs_lost: frozenset[str]
    bake_seconds: float
    actor: Actor
    state: Path
    top: Path
    project: Project

    @property
    def embedded(self) -> bool:
        """Say whether the manifests are in the project's own bare repository."""
        return self.remote in (str(self.top / EMBEDDED), str((self.top / EMBEDDED).resolve()))

    @property
    def trust(self) -> Trust:
        """Say whose signature of a verdict counts."""
        return Trust(self.allowed_signers, self.signing_key)

    def manifests(self) -> Remote:
        """Return the remote as manifests.py takes it."""
        config = (*signing(self.signing_key), f"{SIGNERS}{self.allowed_signers or NOBODY}")
        return Remote(self.remote, self.branch, self.folder, self.actor, config, self._seen())

    def _seen(self) -> Path:
        """Return the file that remembers the branch's last commit; the project's own repository moves with it."""
        found = self.state / "seen" / _key(self.remote, self.branch)
        if not self.embedded:
            return found
        moving = self.state / "seen" / _key(str(EMBEDDED), self.branch)
        if found.is_file() and not moving.exists():  # of a version that named it by its place
            found.replace(moving)
        return moving


def place(environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the branch and the folder of the manifests.

    Raises:
        BadInput: it is not a folder of a repository.
    """
    folder = (environment.get("SLIPWAY_GITOPS_FOLDER") or "gitops").strip("/")
    if not folder or ".." in folder.split("/") or folder.startswith((":", "-")):
        raise BadInput(
            "SLIPWAY_GITOPS_FOLDER is not a folder of the repository",
            expected="a path like gitops",
            found=folder,
            hint="export SLIPWAY_GITOPS_FOLDER=gitops",
        )
    return environment.get("SLIPWAY_GITOPS_BRANCH") or "main", folder


def read(environment: Mapping[str, str], top: Path, model: Path | None = None) -> ReleaseSettings:
    """Read the settings; `top` is the top of the project's repository, `model` the model's folder below it.

    Raises:
        BadInput: a value is not what it must be.
    """
    get = environment.get
    branch, folder = place(environment)
    forge = get("SLIPWAY_FORGE") or "git"
    if forge not in ("git", "github"):
        raise BadInput(
            "SLIPWAY_FORGE is unknown", expected="git or github", found=forge, hint="export SLIPWAY_FORGE=git"
        )
    signers = get("SLIPWAY_ALLOWED_SIGNERS")
    return ReleaseSettings(
        remote=_remote(get("SLIPWAY_GITOPS_REMOTE") or str(top / EMBEDDED)),
        branch=branch,
        folder=folder,
        signing_key=get("SLIPWAY_SIGNING_KEY") or None,
        allowed_signers=Path(signers).resolve() if signers else None,
        forge=forge,
        audit_url=get("SLIPWAY_AUDIT_URL") or f"sqlite:///{top / 'var/audit.db'}",
        audit_lost=get("SLIPWAY_AUDIT_LOST") or None,
        runs_lost=frozenset((get("SLIPWAY_RUNS_LOST") or "").replace(",", " ").split()),
        bake_seconds=_seconds(get("SLIPWAY_BAKE_SECONDS") or "600"),
        actor=actor(get("SLIPWAY_ACTOR") or _git_user(top)),
        state=top / "var/release",
        top=top,
        project=Project(model or top, top, get("SLIPWAY_DVC_REMOTE") or None),
    )


def _key(remote: str, branch: str) -> str:
    return hashlib.sha256(f"{remote}\n{branch}".encode()).hexdigest()[:16]


def _remote(named: str) -> str:
    # A path is one from where the command was typed, not from the clone.
    return str(Path(named).resolve()) if "://" not in named and Path(named).is_dir() else named


def _seconds(text: str) -> float:
    if not text.replace(".", "", 1).isdigit():
        raise BadInput(
            "SLIPWAY_BAKE_SECONDS is not a number of seconds",
            expected="0 or more",
            found=text,
            hint="export SLIPWAY_BAKE_SECONDS=600",
        )
    return float(text)


def _git_user(top: Path) -> str:
    said = [
        programs.run(["git", "-C", str(top), "config", key], capture_output=True, text=True).stdout.strip()
        for key in ("user.name", "user.email")
    ]
    return f"{said[0]} <{said[1]}>" if all(said) else ""

"""The embedded repository of manifests: a bare one beside the project, for trying everything with nothing installed.

Made once, from the project's own gitops/ folder, completely or not.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from release.git.commits import Actor
from release.git.git import Git
from slipway.errors import BadInput, Refused


def make(place: Path, source: Path, folder: str, branch: str, actor: Actor) -> bool:
    """Make the bare repository at `place` with the files of `source` under `folder`; False where it is there.

    Raises:
        BadInput: there is no `source`.
        Refused: a link is in it.
    """
    if place.exists():
        return False
    if not source.is_dir():
        raise BadInput(
            "there are no manifests to release to",
            expected=f"the folder {source}, or a Git remote in SLIPWAY_GITOPS_REMOTE",
            hint="export SLIPWAY_GITOPS_REMOTE=git@forge.example:team/manifests.git",
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".gitops-", dir=place.parent) as temporary:
        made = Path(temporary) / "made.git"
        git = Git(made)
        git.run("init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}")
        git.run("config", "uploadpack.allowFilter", "true")
        for path in sorted(source.rglob("*")):
            _add(git, path, f"{folder}/{path.relative_to(source).as_posix()}")
        tree = git.run("write-tree").text
        said = b"Begin with the project's manifests\n"
        commit = git.run("commit-tree", tree, stdin=said, environment=actor.environment()).text
        git.run("update-ref", f"refs/heads/{branch}", commit)
        (made / "index").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(place)
    return True


def _add(git: Git, path: Path, name: str) -> None:
    if path.is_symlink():
        raise Refused(
            f"{path} is refused",
            expected="plain files among the manifests",
            found="a link",
            hint=f"put the file itself at {path}",
        )
    if path.is_file():
        blob = git.run("hash-object", "-w", "--stdin", stdin=path.read_bytes()).text
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")

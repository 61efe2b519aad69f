"""What DVC has to hold of an artifact so that others can make it again: outputs, and data they were made of.

What is in Git (`cache: false`), what DVC never pushes (`push: false`) and what another repository holds (`dvc import`)
is left out. DVC itself reports which of them are outputs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.lock import Lock
from registry.tree import MD5
from slipway import programs
from slipway.errors import BadInput


@dataclass(frozen=True)
class Datum:
    """A file, or a folder (`….dir`), by DVC's digest; `remote` where it belongs to another than the default."""

    path: str
    md5: str
    remote: str | None = None
    hash: str = MD5

    def as_json(self) -> dict[str, str]:
        """Return it for verdict.json, without what goes without saying."""
        more = {"remote": self.remote} if self.remote else {}
        return {"path": self.path, "md5": self.md5, **more, **({"hash": self.hash} if self.hash != MD5 else {})}


def data(locked: Lock) -> tuple[Datum, ...]:
    """List the data behind what dvc.lock names.

    Raises:
        BadInput: DVC cannot read its files.
    """
    known = _outputs(locked.root)
    in_git = _in_git(locked.root)
    found = {}
    for path, md5 in locked.outputs.items():
        out = known.get(_absolute(locked.root, path))
        if (path not in in_git) if out is None else _pushed(out):
            found[path] = Datum(path, md5, out.remote if out else None, locked.kinds.get(path, MD5))
    for path, md5 in locked.sources.items():
        for place, out in _overlapping(known, _absolute(locked.root, path)):
            if _pushed(out) and out.hash_info:
                named = os.path.relpath(place, locked.root)
                exact = place == _absolute(locked.root, path)
                digest = md5 if exact else str(out.hash_info.value)
                found.setdefault(named, Datum(named, digest, out.remote, out.hash_info.name or MD5))
    return tuple(found[path] for path in sorted(found))


def _outputs(root: Path) -> dict[Path, Any]:
    """Return everything that DVC tracks in the repository around `root`; nothing where there is none."""
    try:
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.repo import Repo
    except ImportError:
        return {}
    try:
        with Repo(str(root)) as repo:
            return {Path(out.fs_path): out for out in repo.index.outs if out.protocol == "local"}
    except NotDvcRepoError:
        return {}
    except DvcException as error:
        raise BadInput(
            f"DVC cannot read its files in {root}", found=" ".join(str(error).split())[:300], hint="dvc status"
        ) from error


def _in_git(root: Path) -> set[str]:
    listed = programs.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True)
    return set(os.fsdecode(listed.stdout).split("\0"))


def _pushed(out: Any) -> bool:
    return bool(out.use_cache and out.can_push and not out.stage.is_repo_import)


def _overlapping(known: dict[Path, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for place, out in known.items():
        if place == path or place in path.parents or path in place.parents:
            yield place, out


def _absolute(root: Path, path: str) -> Path:
    return Path(os.path.normpath(root.absolute() / path))

"""A folder's digest as DVC computes it: by DVC itself, with its .dvcignore, its order and its way with links.

DVC is imported where a folder is among the outputs or sources; to import it takes half a second.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway.errors import BadInput

MD5 = "md5"


@dataclass(frozen=True)
class Tree:
    """A digest (`….dir` of a folder), and the digests of the files below by relative path."""

    digest: str
    files: dict[str, str]


def read(path: Path, kind: str = MD5) -> Tree:
    """Return the digest that DVC gives to `path`; `kind` is the name of the hash in dvc.lock.

    Raises:
        BadInput: DVC cannot read it.
    """
    try:
        from dvc.exceptions import DvcException
        from dvc.fs import localfs
        from dvc.ignore import DvcIgnoreFilter
        from dvc_data.hashfile.build import build
        from dvc_data.hashfile.db import HashFileDB
    except ImportError as error:
        raise BadInput(
            f"{path} is a folder, and DVC is not installed to compute its digest",
            expected="the extra `training`, as where dvc repro was run",
            hint="make setup",
        ) from error

    place = path.absolute()
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-digest-") as folder:
            # A store of its own: what DVC remembers of the files by their times is not asked.
            objects = HashFileDB(localfs, folder)
            ignore = DvcIgnoreFilter(localfs, str(_project(place)))
            _, _, found = build(objects, str(place), localfs, kind, ignore=ignore, dry_run=True)
    except (DvcException, OSError, ValueError) as error:
        raise BadInput(
            f"DVC cannot read {path}", found=str(error) or type(error).__name__, hint=f"dvc status; ls -la {path}"
        ) from error
    return Tree(str(found.hash_info.value), _files(found))


def _files(found: Any) -> dict[str, str]:
    listed = found if hasattr(found, "as_list") else ()
    return {"/".join(key): str(digest.value) for key, _, digest in listed}


def _project(place: Path) -> Path:
    above = place if place.is_dir() else place.parent
    return next((each for each in (above, *above.parents) if (each / ".dvc").is_dir()), above)

"""A Bento with its model in one file, as `bentoml import` takes it; the same Bento gives the same bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from image.bento import Bento
from image.rootfs import EPOCH
from slipway import atomic
from slipway.errors import BadInput

SUFFIX = ".bento"


def check(path: Path) -> None:
    """Refuse a name by which BentoML would take the file for another format.

    Raises:
        BadInput: it does not end in .bento, or is a folder.
    """
    if path.suffix != SUFFIX or path.is_dir():
        raise BadInput(
            f"{path} is not a file that BentoML imports",
            expected=f"a path that ends in {SUFFIX}",
            found="a folder" if path.is_dir() else path.suffix or "no ending",
            hint=f"--bento {path.with_suffix(SUFFIX)}",
        )


def write(bento: Bento, path: Path) -> None:
    """Write the Bento and its model to `path`, completely or not at all.

    Raises:
        Unavailable: the disk refused.
    """
    # BentoML's own export names the owner and the time of each file.
    with atomic.replacing(path) as temporary, tarfile.open(temporary, "w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mode in sorted(_entries(bento)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, EPOCH
            archive.addfile(entry, io.BytesIO(content))


def _entries(bento: Bento) -> Iterator[tuple[str, bytes, int]]:
    models = f"models/{bento.recipe.name}"
    yield f"{models}/latest", bento.recipe.version.encode(), 0o644
    for folder, place in ((bento.folder, ""), (bento.model, f"{models}/{bento.recipe.version}/")):
        for path in folder.rglob("*"):
            if path.is_file():
                yield f"{place}{path.relative_to(folder).as_posix()}", path.read_bytes(), path.stat().st_mode & 0o777

"""BentoML's own stores: one Bento and one model a version, replaced in one step, where `bentoml list` looks.

Owns BENTOML_HOME as far as packaging writes to it. BentoML's own import leaves half a Bento where it is killed and
refuses a tag that is there; here a folder takes its name in one rename, and one packaging at a time writes.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import filecmp
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from image.bento import INPUTS, Bento, Recipe
from slipway import artifact, atomic
from slipway.errors import Unavailable

# BentoML's own room for what is not a Bento yet; `bentoml list` does not look there.
SPARE, PREFIX = "tmp", "slipway-"


def home(environment: Mapping[str, str]) -> Path:
    """Return BENTOML_HOME, by BentoML's own default in the user's folder."""
    return Path(environment.get("BENTOML_HOME") or "~/bentoml").expanduser()


def holds(home: Path, recipe: Recipe, folder: Path) -> bool:
    """Say whether the stores hold the Bento of this recipe, and the version in `folder` as its model."""
    model = home / "models" / recipe.name / recipe.version
    try:
        labels = yaml.safe_load(description(home, recipe))["labels"]
        same = all(artifact.sha256(model / file) == artifact.sha256(folder / file) for file in artifact.FOLDER)
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return False
    return labels.get(INPUTS) == recipe.inputs and same and (model / "model.yaml").is_file()


def description(home: Path, recipe: Recipe) -> bytes:
    """Return the bento.yaml that is in the store."""
    return (home / "bentos" / recipe.name / recipe.version / "bento.yaml").read_bytes()


def keep(home: Path, bento: Bento) -> None:
    """Put a Bento and its model into the stores of `home`, in place of those with the same tag.

    Raises:
        Unavailable: the folder cannot be written.
    """
    try:
        with _alone(home / SPARE) as spare:
            # The model first: a Bento whose model is not there cannot be served.
            _put(home / "models" / bento.recipe.name, bento.model, spare / "model", "model.yaml")
            _put(home / "bentos" / bento.recipe.name, bento.folder, spare / "bento", "bento.yaml")
    except OSError as error:
        raise Unavailable(
            f"cannot write BentoML's store in {home}",
            expected="a folder that takes the Bento",
            found=str(error),
            hint="free some space, or set BENTOML_HOME to a folder of yours",
        ) from error


@contextlib.contextmanager
def _alone(spare: Path) -> Iterator[Path]:
    spare.mkdir(parents=True, exist_ok=True)
    with (spare / f"{PREFIX}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in spare.glob(f"{PREFIX}put-*"):  # by a packaging that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=f"{PREFIX}put-", dir=spare) as folder:
            yield Path(folder)


def _put(versions: Path, source: Path, spare: Path, description: str) -> None:
    target = versions / source.name
    if not _same(source, target):
        shutil.copytree(source, spare / "new")
        versions.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(spare / "old")
        (spare / "new").rename(target)
    latest = versions / "latest"
    named = versions / latest.read_text().strip() if latest.is_file() else versions
    if not (named / description).is_file() or _created(named / description) <= _created(target / description):
        atomic.write_bytes(latest, target.name.encode())


def _same(one: Path, other: Path) -> bool:
    """Say whether two folders hold the same files with the same bytes."""
    if not other.is_dir():
        return False
    files = _files(one)
    return files == _files(other) and not any(filecmp.cmpfiles(one, other, files, shallow=False)[1:])


def _files(folder: Path) -> set[str]:
    # Bytecode is of whoever served from the store.
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def _created(path: Path) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(str(yaml.safe_load(path.read_text())["creation_time"]))
    except (ValueError, TypeError, KeyError, yaml.YAMLError):
        return datetime.datetime.min.replace(tzinfo=datetime.UTC)

"""What to make of an exported version, what came of it, and what is refused before anything is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from image import bento_file, context
from image.bento import Recipe
from image.engine import DIGEST
from image.rootfs import EPOCH
from slipway import artifact
from slipway.errors import BadInput

EXPORT = "slipway export NAME@NUMBER FOLDER, then run the same command on that folder"


@dataclass(frozen=True)
class Order:
    """What to build, and where to; `registry` None keeps the image on this machine.

    `bento_home` is BentoML's folder, `bento_file` where to write the Bento in one file.
    """

    folder: Path
    source: Path
    base: str
    registry: str | None
    cache: Path
    bento_home: Path
    bento_file: Path | None = None
    epoch: int = EPOCH


@dataclass(frozen=True)
class Built:
    """One model version's image and Bento.

    Without an image `image` and `runtime` are None; `digest` is the manifest's, None where docker did not push.
    `bento_yaml` is the Bento's own description; `bento_sha256` the digest of `bento_file`.
    """

    image: str | None
    digest: str | None
    inputs: str
    runtime: str | None
    sbom: Path | None
    sbom_sha256: str | None
    built: bool
    pushed: bool
    bento: str
    bento_yaml: str
    bento_file: Path | None = None
    bento_sha256: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the same facts for a script."""
        paths = {"sbom": self.sbom, "bento_file": self.bento_file}
        return asdict(self) | {name: str(path) if path else None for name, path in paths.items()}


def inputs_digest(order: Order, runtime: context.Runtime, recipe: Recipe) -> str:
    """Name everything that decides the image by one digest."""
    parts = [runtime.digest, order.base, str(order.epoch), (context.HERE / "model.Containerfile").read_text()]
    parts += [artifact.sha256(order.folder / name) for name in artifact.FOLDER]
    return hashlib.sha256("\n".join([*parts, recipe.inputs]).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read an exported version's manifest, and check every file against it.

    Raises:
        BadInput: a file is missing, or its bytes are not the manifest's.
    """
    path = folder / artifact.MANIFEST
    if not path.is_file():
        raise BadInput(f"{folder} is not an exported version", expected=f"{artifact.MANIFEST} in it", hint=EXPORT)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        files = {name: manifest["files"][name]["sha256"] for name in artifact.EXPORTED}
        manifest["model"]["name"], manifest["model"]["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} does not parse",
            expected="the form in docs/reference/artifact.md",
            found=repr(error),
            hint=EXPORT,
        ) from None
    for name, expected in files.items():
        found = artifact.sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != expected:
            raise BadInput(
                f"{folder / name} is not the registered file",
                expected=f"sha256 {expected}",
                found=f"sha256 {found}" if (folder / name).is_file() else found,
                hint=EXPORT,
            )
    return manifest


def check(order: Order, *, image: bool) -> None:
    """Refuse what cannot be made, before the first step.

    Raises:
        BadInput: a base image that a tag could move, or a file that BentoML would not import.
    """
    if image or order.base:
        check_base(order.base)
    if order.bento_file is not None:
        bento_file.check(order.bento_file)


def check_base(base: str) -> None:
    """Refuse a base image that a tag could move under our feet."""
    if not DIGEST.fullmatch(base.partition("@")[2]):
        raise BadInput(
            "the base image is not named by digest",
            expected="IMAGE@sha256:…",
            found=base or "nothing",
            hint="skopeo inspect --format '{{.Name}}@{{.Digest}}' docker://docker.io/library/python:3.11-slim"
            "  (skopeo: apt-get install skopeo; without Docker Hub: image/debian-base FOLDER makes a base)",
        )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where bills of materials are kept: SLIPWAY_CACHE, else the user's cache folder."""
    if "SLIPWAY_CACHE" in environment:
        return Path(environment["SLIPWAY_CACHE"])
    return Path(environment.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "slipway"

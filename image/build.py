"""From an exported version to an image with its digest and bill of materials.

Owns the order of the steps. Every step is found done by its inputs' digest: killed anywhere, the
same call goes on where it was, and ends at the same image digest.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from image import bento, context, sbom
from image.engine import DIGEST, Engine, is_loopback
from image.rootfs import EPOCH
from slipway import atomic
from slipway.errors import BadInput

Say = Callable[[str], None]
EXPORT = "slipway export NAME@NUMBER FOLDER, then run the same command on that folder"
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


@dataclass(frozen=True)
class Order:
    """What to build, and where to; `registry` None keeps the image on this machine."""

    folder: Path
    source: Path
    base: str
    registry: str | None
    cache: Path
    epoch: int = EPOCH


@dataclass(frozen=True)
class Built:
    """One model version's image. `digest` is the manifest's, None where docker did not push."""

    image: str
    digest: str | None
    inputs: str
    runtime: str
    sbom: Path | None
    sbom_sha256: str | None
    built: bool
    pushed: bool

    def as_json(self) -> dict[str, Any]:
        """Return the same facts for a script."""
        return asdict(self) | {"sbom": str(self.sbom) if self.sbom else None}


def inputs_digest(order: Order, runtime: context.Runtime) -> str:
    """Name everything that decides the image by one digest."""
    parts = [runtime.digest, order.base, str(order.epoch), (context.HERE / "model.Containerfile").read_text()]
    parts += [hashlib.sha256((order.folder / name).read_bytes()).hexdigest() for name in context.MODEL_FILES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read an exported version's manifest, and check every file against it.

    Raises:
        BadInput: a file is missing, or its bytes are not the manifest's.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise BadInput(f"{folder} is not an exported version", expected="manifest.json in it", hint=EXPORT)
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        files = {name: manifest["files"][name]["sha256"] for name in context.MODEL_FILES if name != "manifest.json"}
        manifest["model"]["name"], manifest["model"]["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{path} does not parse",
            expected="the form in docs/reference/artifact.md",
            found=repr(error),
            hint=EXPORT,
        ) from None
    for name, expected in files.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest() if (folder / name).is_file() else "no file"
        if found != expected:
            raise BadInput(
                f"{folder / name} is not the registered file",
                expected=f"sha256 {expected}",
                found=f"sha256 {found}" if (folder / name).is_file() else found,
                hint=EXPORT,
            )
    return manifest


def build(order: Order, engine: Engine, known: str | None, say: Say) -> Built:
    """Build, push and list the image of one version; do nothing where `known` shows that it is done.

    `known` is "INPUTS DIGEST" of an earlier build. `say` is called with each step as it begins.

    Raises:
        BadInput: the base has no digest, or the folder is not an exported version.
        Unavailable: the tool, the package index or the registry failed.
    """
    check_base(order.base)
    manifest = read_manifest(order.folder)
    runtime = context.describe(order.source, order.base)
    inputs = inputs_digest(order, runtime)
    name, version = manifest["model"]["name"], manifest["model"]["version"]
    repository = f"{order.registry.rstrip('/')}/{name}" if order.registry else f"localhost/{name}"
    image = f"{repository}:{version}"
    if done := _already(known, inputs, order, engine, repository):
        return Built(image, done, inputs, runtime.image, None, None, built=False, pushed=True)
    if not engine.has(runtime.image):
        _build_runtime(order, runtime, engine, say)
    say("model layer")
    _build_version(order, runtime, engine, image, manifest)
    say("push" if order.registry else "digest")
    digest = engine.push(image, image) if order.registry else engine.digest(image)
    say("bill of materials")
    listed = _packages(order, runtime, engine)
    path = order.cache / "sbom" / f"{name}-{version}-{inputs[:16]}.cdx.json"
    content = sbom.of_version(listed, reference=repository, digest=digest or "", manifest=manifest, epoch=order.epoch)
    atomic.write_bytes(path, content)
    return Built(
        image,
        digest,
        inputs,
        runtime.image,
        path,
        hashlib.sha256(content).hexdigest(),
        built=True,
        pushed=bool(order.registry),
    )


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


def labels(order: Order, runtime: context.Runtime, manifest: dict[str, Any]) -> dict[str, str]:
    """Return the image's labels: where it comes from, down to the data."""
    name, version = manifest["model"]["name"], manifest["model"]["version"]
    base, _, digest = order.base.partition("@")
    return {
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": manifest["git_commit"],
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.description": f"{name} version {version}, served by Slipway",
        BASE_NAME: base,
        BASE_DIGEST: digest,
        "slipway.model": name,
        "slipway.model-version": version,
        "slipway.run-id": manifest["run_id"],
        "slipway.git-commit": manifest["git_commit"],
        "slipway.verdict": manifest["verdict"],
        "slipway.data-md5": manifest["data_md5"],
        "slipway.model-sha256": manifest["files"]["model.onnx"]["sha256"],
        "slipway.runtime": runtime.digest,
    }


def _already(known: str | None, inputs: str, order: Order, engine: Engine, repository: str) -> str | None:
    before, _, digest = (known or "").partition(" ")
    if before != inputs or not order.registry or not DIGEST.fullmatch(digest):
        return None
    return digest if engine.holds(f"{repository}@{digest}") else None


def _build_runtime(order: Order, runtime: context.Runtime, engine: Engine, say: Say) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-runtime-") as name:
        folder = Path(name)
        say("Python packages")
        (folder / "packages").mkdir()
        context.install_packages(runtime.requirements, folder / "packages")
        say("Bento of the application")
        (folder / "bento").mkdir()
        application = bento.build(runtime, folder / "bento")
        shutil.move(application, folder / "application")
        context.settle(folder / "application")
        for part in ("Containerfile", "rootfs.py"):
            shutil.copyfile(context.HERE / part, folder / part)
        shutil.rmtree(folder / "bento")
        context.settle(folder)
        say("runtime image")
        file, arguments = folder / "Containerfile", {"BASE": order.base}
        insecure = is_loopback(order.base)
        engine.build(file, folder, runtime.image, epoch=order.epoch, arguments=arguments, insecure=insecure)


def _build_version(
    order: Order, runtime: context.Runtime, engine: Engine, image: str, manifest: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-model-") as name:
        folder = Path(name)
        context.copy_files(order.folder, context.MODEL_FILES, folder / "model")
        context.settle(folder)
        arguments = {"RUNTIME": runtime.image}
        described = labels(order, runtime, manifest)
        # Left to itself, buildah names the digest of the runtime in the local store, which depends on
        # what the base was called when the runtime was built: kept from another day, it would differ.
        origin = {name: described[name] for name in (BASE_NAME, BASE_DIGEST)}
        file = context.HERE / "model.Containerfile"
        engine.build(
            file, folder, image, epoch=order.epoch, arguments=arguments, labels=described, annotations=origin,
            layers=False,  # buildah's cache does not look at annotations
        )  # fmt: skip


def _packages(order: Order, runtime: context.Runtime, engine: Engine) -> dict[str, Any]:
    path = order.cache / "sbom" / f"runtime-{runtime.digest}.json"
    if not path.is_file():
        atomic.write_json(path, sbom.packages(engine, runtime.image))
    listed: dict[str, Any] = json.loads(path.read_text())
    return listed


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where bills of materials are kept: SLIPWAY_CACHE, else the user's cache folder."""
    if "SLIPWAY_CACHE" in environment:
        return Path(environment["SLIPWAY_CACHE"])
    return Path(environment.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "slipway"

"""From an exported version to its Bento, and to an image with its digest and bill of materials.

Owns the order of the steps. Every step is found done by its inputs' digest: killed anywhere, the
same call goes on where it was, and ends at the same image digest.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from image import bento, bento_file, bento_store, context, lineage, order, sbom
from image.bento import Bento, Recipe
from image.engine import DIGEST, Engine, is_loopback
from image.order import Built, Order
from slipway import artifact, atomic

Say = Callable[[str], None]
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"


@dataclass(frozen=True)
class PackagedVersion:
    """The version that is packaged, and what decides its image and its Bento."""

    order: Order
    manifest: dict[str, Any]
    runtime: context.Runtime
    recipe: Recipe
    inputs: str

    @property
    def repository(self) -> str:
        """The image's name without tag."""
        registry = self.order.registry.rstrip("/") if self.order.registry else "localhost"
        return f"{registry}/{self.recipe.name}"


def describe(wanted: Order) -> PackagedVersion:
    """Read everything that decides the image and the Bento; build nothing.

    Raises:
        BadInput: the folder is not an exported version, or the checkout lacks what is packaged.
    """
    manifest = order.read_manifest(wanted.folder)
    runtime = context.describe(wanted.source, wanted.base)
    recipe = bento.recipe(runtime, wanted.folder, manifest, wanted.epoch)
    return PackagedVersion(wanted, manifest, runtime, recipe, order.inputs_digest(wanted, runtime, recipe))


def build(wanted: Order, engine: Engine | None, known: str | None, say: Say) -> Built:
    """Make the Bento and the image of one version; do nothing where it is done.

    Without `engine` it is the Bento alone. `known` is "INPUTS DIGEST" of an earlier build of the image.
    `say` is called with each step as it begins.

    Raises:
        BadInput: the base has no digest, or the folder is not an exported version.
        Unavailable: the tool, the package index, the registry or a disk failed.
    """
    order.check(wanted, image=engine is not None)
    version = describe(wanted)
    digest = _already(known, version, engine) if engine else None
    kept = bento_store.holds(wanted.bento_home, version.recipe, wanted.folder)
    with tempfile.TemporaryDirectory(prefix="slipway-bento-") as temporary:
        made = None
        if wanted.bento_file or not kept or (engine and not digest):
            say("Bento")
            made = bento.make(version.recipe, version.runtime, wanted.folder, Path(temporary))
            bento_store.keep(wanted.bento_home, made)
        description = made.description if made else bento_store.description(wanted.bento_home, version.recipe)
        built = replace(_nothing(version), bento_yaml=description.decode(), built=not kept)
        if made and wanted.bento_file:
            bento_file.write(made, wanted.bento_file)
            built = replace(built, bento_file=wanted.bento_file, bento_sha256=artifact.sha256(wanted.bento_file))
        return _image(version, built, engine, made, digest, say) if engine else built


def labels(version: PackagedVersion) -> dict[str, str]:
    """Return the image's labels: where it comes from, down to the data."""
    base, _, digest = version.order.base.partition("@")
    return {
        "org.opencontainers.image.title": version.recipe.name,
        "org.opencontainers.image.version": version.recipe.version,
        "org.opencontainers.image.revision": version.manifest["git_commit"],
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.description": version.recipe.description,
        BASE_NAME: base,
        BASE_DIGEST: digest,
        **lineage.labels(version.manifest),
        "slipway.runtime": version.runtime.digest,
        "slipway.bento": version.recipe.tag,
    }


def _nothing(version: PackagedVersion) -> Built:
    tag = version.recipe.tag
    return Built(None, None, version.inputs, None, None, None, built=False, pushed=False, bento=tag, bento_yaml="")


def _image(
    version: PackagedVersion, bento_only: Built, engine: Engine, made: Bento | None, done: str | None, say: Say
) -> Built:
    wanted, runtime = version.order, version.runtime
    image, pushed = f"{version.repository}:{version.recipe.version}", bool(wanted.registry)
    built = replace(bento_only, image=image, digest=done, runtime=runtime.image, built=False, pushed=pushed)
    if done or made is None:
        return built
    if not engine.has(runtime.image):
        _build_runtime(version, engine, made, say)
    say("model layer")
    _build_version(version, engine, image, made)
    say("push" if wanted.registry else "digest")
    digest = engine.push(image, image) if wanted.registry else engine.digest(image)
    say("bill of materials")
    listed = _packages(wanted, runtime, engine)
    path = wanted.cache / "sbom" / f"{version.recipe.name}-{version.recipe.version}-{version.inputs[:16]}.cdx.json"
    content = sbom.of_version(
        listed, reference=version.repository, digest=digest or "", manifest=version.manifest, epoch=wanted.epoch
    )
    atomic.write_bytes(path, content)
    return replace(built, digest=digest, sbom=path, sbom_sha256=artifact.sha256(path), built=True)


def _already(known: str | None, version: PackagedVersion, engine: Engine) -> str | None:
    before, _, digest = (known or "").partition(" ")
    if before != version.inputs or not version.order.registry or not DIGEST.fullmatch(digest):
        return None
    return digest if engine.holds(f"{version.repository}@{digest}") else None


def _build_runtime(version: PackagedVersion, engine: Engine, made: Bento, say: Say) -> None:
    wanted, runtime = version.order, version.runtime
    with tempfile.TemporaryDirectory(prefix="slipway-runtime-") as name:
        folder = Path(name)
        say("Python packages")
        (folder / "packages").mkdir()
        context.install_packages(runtime.requirements, folder / "packages")
        bento.application(made, folder / "application")
        for part in ("Containerfile", "rootfs.py"):
            shutil.copyfile(context.HERE / part, folder / part)
        context.settle(folder)
        say("runtime image")
        file, arguments = folder / "Containerfile", {"BASE": wanted.base}
        insecure = is_loopback(wanted.base)
        engine.build(file, folder, runtime.image, epoch=wanted.epoch, arguments=arguments, insecure=insecure)


def _build_version(version: PackagedVersion, engine: Engine, image: str, made: Bento) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-model-") as name:
        folder = Path(name)
        context.copy_files(version.order.folder, artifact.FOLDER, folder / "model")
        (folder / "bento.yaml").write_bytes(made.description)
        context.settle(folder)
        described = labels(version)
        # Left to itself, buildah names the digest of the runtime in the local store, which depends on
        # what the base was called when the runtime was built: kept from another day, it would differ.
        origin = {name: described[name] for name in (BASE_NAME, BASE_DIGEST)}
        engine.build(
            context.HERE / "model.Containerfile", folder, image, epoch=version.order.epoch,
            arguments={"RUNTIME": version.runtime.image}, labels=described, annotations=origin,
            layers=False,  # buildah's cache does not look at annotations
        )  # fmt: skip


def _packages(wanted: Order, runtime: context.Runtime, engine: Engine) -> dict[str, Any]:
    path = wanted.cache / "sbom" / f"runtime-{runtime.digest}.json"
    if not path.is_file():
        atomic.write_json(path, sbom.packages(engine, runtime.image))
    listed: dict[str, Any] = json.loads(path.read_text())
    return listed

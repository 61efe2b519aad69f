"""The command line of `slipway package`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich_click

from registry.options import AS_JSON, FOLDER, open_tracking
from slipway.arguments import version_argument
from slipway.reference import VersionReference

if TYPE_CHECKING:
    from image.package import Packaged


@click.command(cls=rich_click.RichCommand)
@version_argument()
@click.option("--registry", envvar="SLIPWAY_REGISTRY", show_envvar=True, help="HOST/PATH that the image goes below.")
@click.option("--base", envvar="SLIPWAY_BASE_IMAGE", show_envvar=True, help="Base image, IMAGE@sha256:…")
@click.option("--engine", envvar="SLIPWAY_IMAGE_ENGINE", show_envvar=True, help="buildah, podman or docker.")
@click.option("--push/--no-push", default=True, show_default=True, help="--no-push keeps it here and tags nothing.")
@click.option(
    "--bento",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the Bento to FILE.bento too; without a registry, the Bento alone.",
)
@FOLDER
@AS_JSON
def package(
    reference: VersionReference,
    registry: str | None,
    base: str | None,
    engine: str | None,
    push: bool,
    bento: Path | None,
    root: Path,
    as_json: bool,
) -> None:
    """Build the OCI image and the Bento of a registered version, push the image, and tag the version with its digest.

    NAME alone is NAME@champion. The same inputs give the same digest; a version
    that has it already is left as it is. Which image it is is stated in
    image.json with the version's files, signed by SLIPWAY_SIGNING_KEY where
    that is set; stage and promote believe that.
    The Bento, NAME:VERSION, is in BentoML's store, BENTOML_HOME.

    Examples:

        slipway package flight-delay@7 --registry registry.example/team

        slipway package flight-delay@7 --bento flight-delay-7.bento
    """
    from image.package import package as run
    from registry.signing import Trust
    from slipway.errors import BadInput

    alone = bento is not None and push and not registry
    if push and not registry and not alone:
        raise BadInput(
            "no registry is named to push to",
            expected="--registry HOST/PATH or SLIPWAY_REGISTRY",
            hint="set SLIPWAY_REGISTRY, or add --no-push, or --bento FILE for the Bento alone",
        )
    given = {"--base": base, "--engine": engine, "--registry": registry if push else "", "--bento": bento}
    options = [str(word) for flag, value in given.items() if value is not None for word in (flag, value)]
    options += ["--no-image"] if alone else []
    signers, key = os.environ.get("SLIPWAY_ALLOWED_SIGNERS"), os.environ.get("SLIPWAY_SIGNING_KEY")
    trust = Trust(Path(signers).resolve() if signers else None, key or None)
    done = run(open_tracking(root), reference.model, reference.version, options, trust)
    if as_json:
        print(json.dumps(asdict(done), indent=2))
        return
    print("\n".join(_lines(done)))


def _lines(done: Packaged) -> list[str]:
    state = "built" if done.built else "nothing to do: built before from the same inputs"
    lines = [f"{done.name} version {done.version}  {done.image or done.bento}  {state}"]
    if done.image:
        lines.append(f"digest  {done.digest}" + (f"  (was {done.before})" if done.before else ""))
    lines.append(f"bento  {done.bento}" + (f"  {done.bento_file}" if done.bento_file else ""))
    return lines + ([f"statement  {done.statement}"] if done.statement else [])

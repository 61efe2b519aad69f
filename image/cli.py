"""The command line of `slipway package`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click
import rich_click

from registry.options import AS_JSON, FOLDER, open_tracking
from slipway.arguments import version_argument
from slipway.reference import Reference


@click.command(cls=rich_click.RichCommand)
@version_argument()
@click.option("--registry", envvar="SLIPWAY_REGISTRY", show_envvar=True, help="HOST/PATH that the image goes below.")
@click.option("--base", envvar="SLIPWAY_BASE_IMAGE", show_envvar=True, help="Base image, IMAGE@sha256:…")
@click.option("--engine", envvar="SLIPWAY_IMAGE_ENGINE", show_envvar=True, help="buildah, podman or docker.")
@click.option("--push/--no-push", default=True, show_default=True, help="--no-push keeps it here and tags nothing.")
@FOLDER
@AS_JSON
def package(
    reference: Reference,
    registry: str | None,
    base: str | None,
    engine: str | None,
    push: bool,
    root: Path,
    as_json: bool,
) -> None:
    """Build the OCI image of a registered version, push it, and tag the version with its digest.

    NAME alone is NAME@champion. The same inputs give the same digest; a
    version that has it already is left as it is. Which image it is is stated
    in image.json with the version's files, signed by SLIPWAY_SIGNING_KEY where
    that is set; stage and promote believe that.

    Example:

        slipway package flight-delay@7 --registry registry.example/team
    """
    from image.package import package as run
    from registry.signing import Trust
    from slipway.errors import BadInput

    if push and not registry:
        raise BadInput(
            "no registry is named to push to",
            expected="--registry HOST/PATH or SLIPWAY_REGISTRY",
            hint="set SLIPWAY_REGISTRY, or add --no-push",
        )
    given = {"--base": base, "--engine": engine, "--registry": registry if push else ""}
    options = [word for flag, value in given.items() if value is not None for word in (flag, value)]
    signers, key = os.environ.get("SLIPWAY_ALLOWED_SIGNERS"), os.environ.get("SLIPWAY_SIGNING_KEY")
    trust = Trust(Path(signers).resolve() if signers else None, key or None)
    done = run(open_tracking(root), reference.model, reference.version, options, trust)
    if as_json:
        print(json.dumps(asdict(done), indent=2))
        return
    state = "built" if done.built else "nothing to do: built before from the same inputs"
    print(f"{done.name} version {done.version}  {done.image}  {state}")
    print(f"digest  {done.digest}" + (f"  (was {done.before})" if done.before else ""))
    if done.statement:
        print(f"statement  {done.statement}")

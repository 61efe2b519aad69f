"""`python -m image`: make the Bento and the image of an exported version. `slipway package` calls it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import rich_click as click
from rich.console import Console

from image import bento_store, build, engine, order
from image.rootfs import EPOCH
from slipway.errors import BadInput, SlipwayError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--base", envvar="SLIPWAY_BASE_IMAGE", show_envvar=True, help="Base image, by digest.")
@click.option("--registry", envvar="SLIPWAY_REGISTRY", show_envvar=True, help="Push to HOST/PATH; without it, no push.")
@click.option("--engine", "tool", envvar="SLIPWAY_IMAGE_ENGINE", show_envvar=True, help="buildah, podman or docker.")
@click.option("--source", type=click.Path(path_type=Path), help="The project's checkout.  [default: of this code]")
@click.option("--bento", "bento_file", type=click.Path(path_type=Path), help="Write the Bento to FILE.bento too.")
@click.option("--image/--no-image", "with_image", default=True, help="--no-image makes the Bento alone.")
@click.option("--known", help="'INPUTS DIGEST' of an earlier build; the same inputs are not built again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def image(
    folder: Path,
    base: str | None,
    registry: str | None,
    tool: str | None,
    source: Path | None,
    bento_file: Path | None,
    with_image: bool,
    known: str | None,
    as_json: bool,
) -> None:
    """Make the Bento and the OCI image of the version that `slipway export` wrote to FOLDER.

    Example:

        python -m image model-7 --base docker.io/library/python:3.11-slim@sha256:...
    """
    wanted = order.Order(
        folder=folder,
        source=source or Path(__file__).resolve().parents[1],
        base=base or "",
        registry=registry or None,
        cache=order.cache_folder(os.environ),
        bento_home=bento_store.home(os.environ),
        bento_file=bento_file,
        epoch=_epoch(os.environ.get("SOURCE_DATE_EPOCH")),
    )
    console = Console(stderr=True, highlight=False)
    order.check(wanted, image=with_image)
    with console.status("…") as status:
        chosen = engine.find(tool) if with_image else None

        def say(step: str) -> None:
            status.update(f"{step} …")
            console.print(f"  {chosen.name if chosen else 'bentoml'}: {step}")

        built = build.build(wanted, chosen, known, say)
    print(json.dumps(built.as_json()) if as_json else _text(built))


def _epoch(text: str | None) -> int:
    if text is not None and not text.isdigit():
        raise BadInput(
            "SOURCE_DATE_EPOCH does not parse",
            expected="seconds since 1970",
            found=text,
            hint="unset SOURCE_DATE_EPOCH, or export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    return int(text) if text else EPOCH


def _text(built: order.Built) -> str:
    state = "built" if built.built else "nothing to do: built before from the same inputs"
    lines = [f"{built.image or built.bento}  {state}", *([f"digest  {built.digest}"] if built.image else [])]
    lines += [f"sbom    {built.sbom}"] if built.sbom else []
    lines += [f"bento   {built.bento}" + (f"  {built.bento_file}" if built.bento_file else "")]
    return "\n".join(lines)


def main() -> None:
    """Run the command; turn a SlipwayError into its text and exit code."""
    try:
        image.main(prog_name="python -m image")
    except SlipwayError as error:
        if "--json" in sys.argv:
            print(json.dumps(error.as_json()))
        Console(stderr=True, highlight=False).print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

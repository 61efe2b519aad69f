"""`slipway package`: a registered version as an OCI image and a Bento, stated with the version's files and tagged.

Owns the way from the version to the tags. Image and Bento are built by `python -m image`, in a
process of its own that is given a folder and answers with JSON. The tags are written last: killed
before, the same command finds what is built and goes on. What was built before is what the version's
own statement says; a tag, which others may edit, is never signed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from registry import image_statement
from registry.export import export, find
from registry.image_statement import IMAGE, Image
from registry.signing import Trust, sign
from registry.tracking import Tracking, Version
from slipway import processes

BENTO_YAML = "bento.yaml"  # what BentoML reads of a Bento


@dataclass(frozen=True)
class Packaged:
    """A version's image and Bento. `before` is the image's digest that the version had, if it was another.

    `statement` is what those who release will read of the version's files; None where nothing was pushed.
    `bento` is BentoML's tag; `bento_file` and its digest are there where a file was asked for.
    """

    name: str
    version: int
    image: str | None
    digest: str | None
    sbom_sha256: str | None
    built: bool
    before: str | None
    bento: str
    bento_file: str | None = None
    bento_sha256: str | None = None
    statement: str | None = None


def package(tracking: Tracking, name: str, reference: str, options: list[str], trust: Trust | None = None) -> Packaged:
    """Build and push version `reference` (a number or @alias) of `name`; state the image and tag the version.

    `options` go to the builder as they are. Without a registry among the builder's settings image
    and Bento stay on this machine and the version is not tagged: no one else could find them.
    `trust` names the key that signs the statement, and whose earlier statements count.

    Raises:
        BadInput: no such version, or the builder refuses its input.
        Refused: the key does not sign without asking.
        Unavailable: MLflow, the image tool or the registry failed.
    """
    trust = trust or Trust()
    if trust.signing_key:
        sign(b"", trust.signing_key, IMAGE.name)  # before the first write: a key that asks leaves nothing behind
    version = find(tracking, name, reference)
    known = image_statement.kept(tracking, version, trust).image
    with tempfile.TemporaryDirectory(prefix="slipway-package-") as temporary:
        folder = Path(temporary, "model")
        export(tracking, name, str(version.number), folder)
        made = _build(folder, [*options, "--known", f"{known.inputs} {known.digest}" if known else " "])
    before = version.tags.get("image_digest")
    sbom = made["sbom_sha256"] or (known.sbom_sha256 if known else "")
    replaced = before if made["image"] and before != made["digest"] else None
    done = Packaged(
        name, version.number, made["image"], made["digest"], sbom, made["built"], replaced,
        made["bento"], made["bento_file"], made["bento_sha256"],
    )  # fmt: skip
    if not made["pushed"]:
        return done
    _state(tracking, version, Image(made["image"], made["digest"], made["inputs"], sbom), known, made, trust)
    return replace(done, statement=image_statement.kept(tracking, version, trust).answer.reason)


def _state(
    tracking: Tracking, version: Version, image: Image, known: Image | None, made: dict[str, Any], trust: Trust
) -> None:
    if image != known or BENTO_YAML not in tracking.files(version):
        _keep_description(tracking, version, made["bento_yaml"])  # before the statement: with it, all is done
    if image != known:
        image_statement.state(tracking, version, image, trust.signing_key)
    for key, value in ({"bento": made["bento"]} | image.tags()).items():
        if version.tags.get(key) != value:
            tracking.tag_version(version.name, version.number, key, value)


def _keep_description(tracking: Tracking, version: Version, content: str) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-bento-") as temporary:
        Path(temporary, BENTO_YAML).write_text(content)
        tracking.upload(version, Path(temporary))


def _build(folder: Path, options: list[str]) -> dict[str, Any]:
    ended = processes.run("image", folder, "--json", *options)
    answer = ended.answer()
    if ended.code or "inputs" not in answer:
        raise ended.error(
            "the image builder failed", hint="pip install 'slipway[image]', then run the same command again"
        )
    return answer

"""`slipway package`: a registered version as an OCI image, its digest stated with the version's files and tagged.

Owns the way from the version to the tags. The image itself is built by the serving room, in a
process of its own that is given a folder and answers with JSON. The tags are written last: killed
before, the same command finds what is built and goes on. What was built before is what the version's
own statement says; a tag, which others may edit, is never signed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import image_statement
from registry.export import export, find
from registry.image_statement import IMAGE, Image
from registry.signing import Trust, sign
from registry.tracking import Tracking
from slipway import processes


@dataclass(frozen=True)
class Packaged:
    """A version's image. `before` is the digest that the version had, if it was another.

    `statement` is what those who release will read of the version's files; None where nothing was pushed.
    """

    name: str
    version: int
    image: str
    digest: str | None
    sbom_sha256: str | None
    built: bool
    before: str | None
    statement: str | None = None


def package(tracking: Tracking, name: str, reference: str, options: list[str], trust: Trust | None = None) -> Packaged:
    """Build and push version `reference` (a number or @alias) of `name`; state the image and tag the version.

    `options` go to the builder as they are. Without a registry among the builder's settings the
    image stays on this machine and the version is not tagged: nobody else could find it.
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
    before, said = version.tags.get("image_digest"), None
    sbom = made["sbom_sha256"] or (known.sbom_sha256 if known else "")
    if made["pushed"]:
        image = Image(made["image"], made["digest"], made["inputs"], sbom)
        if image != known:
            image_statement.state(tracking, version, image, trust.signing_key)
        for key, value in image.tags().items():
            if version.tags.get(key) != value:
                tracking.tag_version(name, version.number, key, value)
        said = image_statement.kept(tracking, version, trust).reason
    replaced = before if before != made["digest"] else None
    return Packaged(name, version.number, made["image"], made["digest"], sbom, made["built"], replaced, said)


def _build(folder: Path, options: list[str]) -> dict[str, Any]:
    ended = processes.run("image", folder, "--json", *options)
    answer = ended.answer()
    if ended.code or "inputs" not in answer:
        raise ended.error(
            "the image builder failed", hint="pip install 'slipway[image]', then run the same command again"
        )
    return answer

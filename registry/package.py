"""`slipway package`: a registered version as an OCI image, its digest written back on the version.

Owns the way from the version to the tags. The image itself is built by the serving room, in a
process of its own that is given a folder and answers with JSON. The tags are written last: killed
before, the same command finds what is built and goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.export import export, find
from registry.tracking import Tracking
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable

BUILDER = (sys.executable, "-m", "serving.image")
KINDS: dict[int, type[SlipwayError]] = {3: BadInput, 4: Refused, 5: Unavailable}


@dataclass(frozen=True)
class Packaged:
    """A version's image. `before` is the digest that the version had, if it was another."""

    name: str
    version: int
    image: str
    digest: str | None
    sbom_sha256: str | None
    built: bool
    before: str | None


def package(tracking: Tracking, name: str, reference: str, options: list[str]) -> Packaged:
    """Build and push version `reference` (a number or @alias) of `name`; tag the version.

    `options` go to the builder as they are. Without a registry among the builder's settings the
    image stays on this machine and the version is not tagged: nobody else could find it.

    Raises:
        BadInput: no such version, or the builder refuses its input.
        Unavailable: MLflow, the image tool or the registry failed.
    """
    version = find(tracking, name, reference)
    known = f"{version.tags.get('image_inputs', '')} {version.tags.get('image_digest', '')}"
    with tempfile.TemporaryDirectory(prefix="slipway-package-") as temporary:
        folder = Path(temporary, "model")
        export(tracking, name, str(version.number), folder)
        made = _build(folder, [*options, "--known", known])
    before = version.tags.get("image_digest")
    if made["built"] and made["pushed"]:
        tags = {"image": made["image"], "image_inputs": made["inputs"], "sbom_sha256": made["sbom_sha256"]}
        # The digest is what others wait for: it comes when everything else is there.
        for key, value in [*tags.items(), ("image_digest", made["digest"])]:
            if version.tags.get(key) != value:
                tracking.tag_version(name, version.number, key, value)
    sbom = made["sbom_sha256"] or version.tags.get("sbom_sha256")
    replaced = before if before != made["digest"] else None
    return Packaged(name, version.number, made["image"], made["digest"], sbom, made["built"], replaced)


def _build(folder: Path, options: list[str]) -> dict[str, Any]:
    # Progress goes straight to the terminal; the answer is the last line.
    done = subprocess.run([*BUILDER, str(folder), "--json", *options], stdout=subprocess.PIPE, text=True, check=False)
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = {"thing": "the image builder ended without an answer", "found": f"exit code {done.returncode}"}
    if done.returncode or "inputs" not in said:
        kind = KINDS.get(done.returncode, SlipwayError)
        raise kind(
            said.get("thing", "the image builder failed"),
            expected=said.get("expected"),
            found=said.get("found"),
            hint=said.get("next") or "pip install 'slipway[image]', then run the same command again",
        )
    return said

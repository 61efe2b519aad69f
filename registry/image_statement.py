"""image.json: which image was built of one version, by digest; kept and signed with the version's files.

Owns what `slipway package` states and what staging and promotion believe of an image: whoever may edit the tags
`image` and `image_digest` in MLflow redirects no version to another image.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from registry import signed_file
from registry.signed_file import Kind
from registry.signing import Trust
from registry.tracking import Tracking, Version
from slipway.answer import Answer

IMAGE = Kind("slipway-image", "image.json")


@dataclass(frozen=True)
class Image:
    """What packaging made: reference with tag, digest, and the digests of all inputs and of the bill of materials."""

    image: str
    digest: str
    inputs: str
    sbom_sha256: str

    def tags(self) -> dict[str, str]:
        """Return the version's tags. The digest is what others wait for: it comes when everything else is there."""
        facts = {"image": self.image, "image_inputs": self.inputs, "sbom_sha256": self.sbom_sha256}
        return facts | {"image_digest": self.digest}


@dataclass(frozen=True)
class Stated:
    """The image that a version's own files state, None where that is not believed; `answer` is why."""

    image: Image | None
    answer: Answer


def state(tracking: Tracking, version: Version, image: Image, key: str | None) -> None:
    """Keep the statement about a version's image with the version's files.

    Raises:
        Refused: the key does not sign without asking.
        Unavailable: the artifact store does not take it.
    """
    facts = {"version": version.number, **asdict(image)}
    content = signed_file.text(IMAGE, version.name, version.run_id, version.tags, facts)
    with tempfile.TemporaryDirectory(prefix="slipway-image-") as temporary:
        folder = Path(temporary)
        signed_file.write(folder, IMAGE, content, key)
        if not key and IMAGE.signature in tracking.files(version):
            (folder / IMAGE.signature).touch()  # what is there signed something else
        tracking.upload(version, folder)


def kept(tracking: Tracking, version: Version, trust: Trust) -> Stated:
    """Read and verify the statement, whatever the tags say. A key counts now: to package again signs again."""
    found = signed_file.read(tracking, version, IMAGE, trust, datetime.now(UTC))
    said = found.said
    if said is None:
        return Stated(None, found.answer)
    if said.get("version") != version.number:
        reason = f"{IMAGE.file} is about another version: version {said.get('version')}, not {version.number}"
        return Stated(None, Answer(False, reason))
    facts = {field.name: said.get(field.name) for field in fields(Image)}
    if wrong := [name for name, value in facts.items() if not isinstance(value, str)]:
        return Stated(None, Answer(False, f"{IMAGE.file} does not state {', '.join(wrong)}"))
    return Stated(Image(**{name: str(value) for name, value in facts.items()}), found.answer)


def released(tracking: Tracking, version: Version, trust: Trust) -> Stated:
    """Return the image that may be released as a version: the one stated, where no tag says another."""
    found, again = kept(tracking, version, trust), f"slipway package {version.name}@{version.number}"
    if found.image is None:
        return Stated(None, Answer(False, f"{found.answer.reason}: {again}")) if found.answer.known else found
    stated = {"image": found.image.image, "image_digest": found.image.digest}
    differ = [f"the tag {tag} says {version.tags.get(tag) or 'nothing'}, {IMAGE.file} {value}"
              for tag, value in stated.items() if version.tags.get(tag) != value]  # fmt: skip
    if differ:
        why = f"{'; '.join(differ)}: somebody changed it, or packaging was cut off: {again}"
        return Stated(None, Answer(False, why))
    return Stated(found.image, Answer(True, f"as it was packaged, {found.answer.reason}"))

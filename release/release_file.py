"""The release file: which image of which version an environment runs.

Owns its one form. A file that says the same in another way is refused, so that
two releases are equal exactly when their bytes are, and no second reader of YAML
can see something else in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

import yaml

from registry.tracking import Version
from slipway.errors import BadInput
from slipway.names import NAME
from slipway.yaml_scalar import scalar

FORMS = {
    "model": NAME,
    "version": r"[1-9][0-9]{0,8}",
    "run_id": r"[0-9a-f]{32}",
    "git_commit": r"[0-9a-f]{40}|[0-9a-f]{64}",
    "data_md5": r"[0-9a-f]{32}(\.dir)?",
    "model_sha256": r"[0-9a-f]{64}",
    "golden_sha256": r"[0-9a-f]{64}",
    "image": r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+",
    "digest": r"sha256:[0-9a-f]{64}",
}
TEXT = """\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: {model}
  newName: {image}
  digest: {digest}
commonAnnotations:
  slipway/model: {model}
  slipway/model-version: "{version}"
  slipway/run-id: "{run_id}"
  slipway/git-commit: "{git_commit}"
  slipway/data-md5: "{data_md5}"
  slipway/model-sha256: "{model_sha256}"
  slipway/golden-sha256: "{golden_sha256}"
  slipway/image-digest: {digest}
"""
PLAIN = ("model", "image", "digest")  # the form has no quotes around them; who needs some gets them
ANNOTATIONS = {
    "version": "slipway/model-version",
    "run_id": "slipway/run-id",
    "git_commit": "slipway/git-commit",
    "data_md5": "slipway/data-md5",
    "model_sha256": "slipway/model-sha256",
    "golden_sha256": "slipway/golden-sha256",
}


@dataclass(frozen=True)
class Release:
    """One version's image, by digest, and where it comes from. `image` has no tag."""

    model: str
    version: int
    run_id: str
    git_commit: str
    data_md5: str
    model_sha256: str
    golden_sha256: str
    image: str
    digest: str


def render(release: Release) -> str:
    """Return the file's text.

    Raises:
        BadInput: a value has not the form of its kind.
    """
    values = {field.name: str(getattr(release, field.name)) for field in fields(release)}
    for name, value in values.items():
        if not re.fullmatch(FORMS[name], value):
            raise BadInput(
                f"the release of {release.model!r} cannot be written",
                expected=f"{name} like {FORMS[name]}",
                found=value,
                hint=f"slipway versions {release.model}, then register or package it anew",
            )
    return TEXT.format(**values | {name: scalar(values[name]) for name in PLAIN})


def parse(text: str, where: str) -> Release | None:
    """Read a release file; None where it says that nothing is released yet.

    Raises:
        BadInput: it is not a release file, or not in its one form.
    """
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _unreadable(where, str(error).splitlines()[0]) from error
    if not isinstance(found, dict) or found.get("kind") != "Component":
        raise _unreadable(where, "not a kustomize Component")
    if not set(found) & {"images", "commonAnnotations"}:
        return None
    try:
        image, annotations = found["images"][0], found["commonAnnotations"]
        read = {name: _text(annotations, key) for name, key in ANNOTATIONS.items()}
        release = Release(
            model=_text(annotations, "slipway/model"),
            image=_text(image, "newName"),
            digest=_text(image, "digest"),
            version=int(read.pop("version")),
            **read,
        )
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise _unreadable(where, f"{type(error).__name__}: {error}") from error
    if render(release) != text:
        raise _unreadable(where, "the same facts in another form, or more than these")
    return release


def _text(values: dict[str, Any], key: str) -> str:
    if not isinstance(values[key], str):  # `no` without quotes is not a model's name but false
        raise TypeError(f"{key} is {values[key]!r}, not text; quote it")
    return str(values[key])


def of_version(version: Version) -> Release:
    """Return the release of a registered and packaged version.

    Raises:
        BadInput: the version has no image yet.
    """
    tags = version.tags
    if not tags.get("image_digest") or not tags.get("image"):
        raise BadInput(
            f"{version.name} version {version.number} has no image",
            expected="the tags image and image_digest",
            hint=f"slipway package {version.name}@{version.number}",
        )
    return Release(
        model=version.name,
        version=version.number,
        run_id=version.run_id,
        git_commit=tags.get("git_commit", ""),
        data_md5=tags.get("data_md5", ""),
        model_sha256=tags.get("model_sha256", ""),
        golden_sha256=tags.get("golden_sha256", ""),
        image=untagged(tags["image"]),
        digest=tags["image_digest"],
    )


def untagged(image: str) -> str:
    """Return an image's name without tag and digest; a tag may move, the digest names which."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _unreadable(where: str, found: str) -> BadInput:
    return BadInput(
        f"{where} is not a release file",
        expected="the form in docs/reference/release.md",
        found=found,
        hint="git log -p -- that file, then restore the last form that was accepted",
    )

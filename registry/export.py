"""`slipway export`: a registered version as a folder of verified files and its manifest.json.

Owns the digests between the registry and whoever serves. Refuses bytes whose
digest is not the version's tag, and anything that is not a plain file. Never
loads a model: MLflow's own loader runs what an MLmodel names.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from registry.tracking import Tracking, Version
from slipway import artifact
from slipway.atomic import write_bytes, write_json
from slipway.errors import BadInput, Refused


def export(tracking: Tracking, name: str, reference: str, folder: Path) -> dict[str, Any]:
    """Write version `reference` (a number or @alias) of `name` to `folder`; return the manifest.

    Raises:
        BadInput: no such version.
        Refused: the stored bytes are not those that were registered.
    """
    version = find(tracking, name, reference)
    if folder.exists() and not folder.is_dir():
        raise BadInput(
            f"{folder} is not a folder",
            expected="a folder, or a path that does not exist yet",
            hint="choose another folder",
        )
    with tempfile.TemporaryDirectory(prefix="slipway-export-") as temporary:
        contents = fetch(tracking, version, artifact.EXPORTED, Path(temporary))
    manifest = _manifest(version, contents)
    (folder / artifact.MANIFEST).unlink(missing_ok=True)  # a folder with a manifest is a whole one
    for file, content in contents.items():
        write_bytes(folder / file, content)
    write_json(folder / artifact.MANIFEST, manifest)
    return manifest


def find(tracking: Tracking, name: str, reference: str) -> Version:
    """Return the version that a number or an @alias names.

    Raises:
        BadInput: there is none.
    """
    versions = tracking.versions(name)
    if reference.startswith("@"):
        found = [one for one in versions if reference[1:] in one.aliases]
    else:
        found = [one for one in versions if str(one.number) == reference]
    if found:
        return found[0]
    known = ", ".join([str(one.number) for one in versions] + [f"@{a}" for one in versions for a in one.aliases])
    raise BadInput(
        f"{name} has no version {reference} in {tracking.where}",
        expected=f"one of {known}" if known else f"a model named {name} with a version",
        hint=f"slipway versions {name}" if versions else "slipway register",
    )


def fetch(tracking: Tracking, version: Version, files: tuple[str, ...], folder: Path) -> dict[str, bytes]:
    """Download files of a version into `folder` and verify each against the version's tags.

    Raises:
        Refused: a digest is missing or another, or it is not a plain file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return {file: _verified(version, file, tracking.download(version, file, folder)) for file in files}


def _verified(version: Version, file: str, path: Path) -> bytes:
    expected = version.tags.get(artifact.DIGEST_TAGS[file])
    thing = f"{file} of {version.name} version {version.number}"
    if path.is_symlink() or not path.is_file():
        raise Refused(
            f"{thing} is refused",
            expected="a plain file",
            found="a link or a folder",
            hint="restore the artifact store, or register the model again from its commit",
        )
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise Refused(
            f"{thing} is not what was registered",
            expected=f"sha256 {expected} (tag {artifact.DIGEST_TAGS[file]})",
            found=f"sha256 {found}",
            hint="restore the artifact store, or register the model again from its commit",
        )
    return content


def _manifest(version: Version, contents: dict[str, bytes]) -> dict[str, Any]:
    tags = version.tags
    return {
        "manifest_version": artifact.MANIFEST_VERSION,
        "model": {"name": version.name, "version": str(version.number)},
        "run_id": version.run_id,
        "git_commit": tags.get("git_commit"),
        "git_dirty": tags.get("git_dirty") != "false",
        "data_md5": tags.get("data_md5"),
        "dvc_lock_sha256": tags.get("dvc_lock_sha256"),
        "verdict": tags.get("verdict", "failed"),
        "files": {
            file: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for file, content in contents.items()
        },
    }

"""The bill of materials of an image, in CycloneDX 1.6 JSON.

Owns what beside packages belongs on it: the image's own digest and the model with its lineage.
The packages come from syft, which looks at the built file system and not at what was asked for.
The same image gives the same bytes: its serial number is made from the digest, its time is fixed.
"""

from __future__ import annotations

import datetime
import json
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any

from image.engine import Engine
from slipway import artifact, programs
from slipway.errors import Unavailable

FORMAT = "cyclonedx-json@1.6"


def packages(engine: Engine, image: str) -> dict[str, Any]:
    """List what syft finds in a local image, without names or times of this machine.

    Raises:
        Unavailable: syft is missing or failed.
    """
    syft = programs.path("syft")
    with tempfile.TemporaryDirectory(prefix="slipway-sbom-") as folder:
        archive = Path(folder, "image.tar")
        kind = engine.save(image, archive)
        command = [syft, "scan", "--quiet", "--output", FORMAT, f"{kind}:{archive}"]
        environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "TMPDIR": folder}
        done = programs.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise Unavailable(
            f"syft cannot read {image}",
            expected="a list of the image's packages",
            found=done.stderr.strip()[-800:] or f"exit code {done.returncode}",
            hint=f"free some space (df -h {tempfile.gettempdir()}), then run the same command again",
        )
    found: dict[str, Any] = json.loads(done.stdout)
    found.pop("serialNumber", None)
    components = [part for part in found["components"] if part["type"] != "file"]
    found["components"] = sorted(components, key=lambda part: (part["type"], part["name"], part.get("version", "")))
    known = {part.get("bom-ref") for part in components}
    found["dependencies"] = [one for one in found.get("dependencies", []) if one["ref"] in known]
    return found


def of_version(listed: dict[str, Any], *, reference: str, digest: str, manifest: dict[str, Any], epoch: int) -> bytes:
    """Write the bill of one model version's image: the packages, the image, the model."""
    model, files = manifest["model"], manifest["files"]
    lineage = {name: str(manifest[name]) for name in ("run_id", "git_commit", "data_md5", "dvc_lock_sha256", "verdict")}
    bill = dict(listed)
    bill["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"
    bill["metadata"] = {
        "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tools": listed["metadata"]["tools"],
        "component": {
            "bom-ref": "image",
            "type": "container",
            "name": reference,
            "version": digest,
            "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
        },
    }
    part = {
        "bom-ref": "model",
        "type": "machine-learning-model",
        "name": model["name"],
        "version": model["version"],
        "hashes": [{"alg": "SHA-256", "content": files[artifact.GRAPH]["sha256"]}],
        "properties": [{"name": f"slipway:{name}", "value": value} for name, value in sorted(lineage.items())],
    }
    bill["components"] = [*listed["components"], part]
    return (json.dumps(bill, indent=2, sort_keys=True) + "\n").encode()

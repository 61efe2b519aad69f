"""The files of a model that one room hands to the next, by name: what `train` writes and an exported version holds.

docs/reference/artifact.md describes what is in each. Code that reads or writes one of them takes its name from here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

GRAPH = "model.onnx"
SCHEMA = "schema.json"
GOLDEN = "golden.json"
# The fitted Pipeline in skops' format: registered with the version, never exported.
PIPELINE = "model.skops"
# The list of an exported version's files, with their digests and where the version comes from.
MANIFEST = "manifest.json"

EXPORTED = (GRAPH, SCHEMA, GOLDEN)
FOLDER = (MANIFEST, *EXPORTED)
TRAINED = (GRAPH, PIPELINE, SCHEMA, GOLDEN)
# The tags of a registered version that hold the SHA-256 of its exported files.
DIGEST_TAGS = {GRAPH: "model_sha256", SCHEMA: "schema_sha256", GOLDEN: "golden_sha256"}

MANIFEST_VERSION = 1


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

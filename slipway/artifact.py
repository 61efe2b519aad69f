"""The files that one room hands to the next: what they are called, and how close a model's answers must be.

docs/reference/artifact.md says what is in each. Whoever reads or writes one of them takes its name from here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

# What `train` writes and an exported version holds.
GRAPH = "model.onnx"
SCHEMA = "schema.json"
GOLDEN = "golden.json"
# The fitted Pipeline in skops' format: registered with the version, never exported.
PIPELINE = "model.skops"
# The exported version's own list of its files and their digests, and its version.
MANIFEST = "manifest.json"
MANIFEST_VERSION = 1

EXPORTED = (GRAPH, SCHEMA, GOLDEN)
TRAINED = (GRAPH, PIPELINE, SCHEMA, GOLDEN)
FOLDER = (MANIFEST, *EXPORTED)
# The tags of a version that hold the SHA-256 of its files.
DIGEST_TAGS = {GRAPH: "model_sha256", SCHEMA: "schema_sha256", GOLDEN: "golden_sha256"}

# What the graph is called inside: its inputs and its output.
NUMERIC, CATEGORICAL, PROBABILITIES = "numeric", "categorical", "probabilities"

# float32 keeps seven digits; another processor may round the last one differently.
TOLERANCE = 1e-5


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

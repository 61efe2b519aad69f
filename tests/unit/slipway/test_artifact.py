"""The names of a model's files stand in one module."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from slipway import artifact

ROOT = Path(__file__).parents[3]
ROOMS = (
    "devstack", "flights", "image", "journal", "monitoring", "registry", "release", "scoring", "serving", "slipway",
    "training",
)  # fmt: skip
NAMES = (*artifact.FOLDER, artifact.PIPELINE)
# Who may spell one, and why.
ALLOWED = {
    "slipway/artifact.py": "it owns them",
    "registry/skops_types.py": "skops calls a file inside its archive so",
    "training/convert.py": "skops calls a file inside its archive so",
}


def spelled(source: str) -> Iterator[str]:
    """List the literals that are such a name, or a path that ends in one; a sentence is not."""
    if not any(name in source for name in NAMES):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.rpartition("/")[2] in NAMES:
            yield f"line {node.lineno}: {node.value}"


def test_no_other_module_spells_a_file_of_the_model() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 200
    spelling = {str(path.relative_to(ROOT)): list(spelled(path.read_text())) for path in files}
    found = {path: lines for path, lines in spelling.items() if lines}
    assert found.keys() - ALLOWED.keys() == set(), found
    assert ALLOWED.keys() - found.keys() == set(), "allowed, but it spells none"


@pytest.mark.parametrize("source", ['open("model.onnx")', 'f"{folder}/schema.json"', 'FILES = ("a/golden.json",)'])
def test_a_spelled_name_is_seen(source: str) -> None:
    assert list(spelled(source))


def test_a_sentence_is_not_a_name() -> None:
    assert not list(spelled('raise BadInput("model.onnx does not open")'))


def test_an_export_is_what_was_trained_without_the_pipeline() -> None:
    assert set(artifact.TRAINED) - set(artifact.EXPORTED) == {artifact.PIPELINE}
    assert set(artifact.DIGEST_TAGS) == set(artifact.EXPORTED)


def test_the_digest_is_of_every_byte(tmp_path: Path) -> None:
    content = b"a" * 3_000_000
    (tmp_path / "file").write_bytes(content)
    assert artifact.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()

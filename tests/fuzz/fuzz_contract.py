"""The readers of contracts: schema.json of a version, and data/contract.yaml.

Any bytes are read or refused by name. A contract that is accepted serves: its
readers can be made, and they answer any row with values or with faults.
"""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from journal.record import Documents
from serving.http.problem import Problem
from serving.inference.distributions import Distributions
from serving.input import schema, tensors
from serving.input.schema import Feature, Schema
from serving.input.validation import Reader
from slipway.errors import BadInput
from training import contract

VALUES: dict[str, list[Any]] = {
    "string": ["a", "", None, "b" * 200],
    "number": [0.5, 1e30, None, -1],
    "integer": [1, 0, None, 2**70],
}


def check(data: bytes) -> None:
    """Read `data[1:]` as the contract of a model, or of data where the first byte is odd."""
    if len(data) < 2:
        return
    if data[0] & 1:
        _read_yaml(bytes(data[1:]))
    else:
        _read_schema(bytes(data[1:]))


def split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut an input into what stands before its JSON, the JSON, and nothing."""
    return data[:1], data[1:], b""


def _read_yaml(content: bytes) -> None:
    path = _folder() / "contract.yaml"
    path.write_bytes(content)
    try:
        found = contract.load(path)
    except BadInput:
        return
    assert found["tables"]


def _read_schema(content: bytes) -> None:
    try:
        found = schema.parse(content)
    except BadInput:
        return
    reader, documents = Reader(found, 3), Documents(found.inputs)
    tensors.Limits.of(found)
    Distributions(found)
    for index in range(4):
        row = {feature.name: _value(feature, index) for feature in found.features}
        for body in ({"rows": [row]}, {"columns": {name: [value] for name, value in row.items()}}):
            _ask(found, reader, documents, json.dumps(body).encode())


def _ask(found: Schema, reader: Reader, documents: Documents, body: bytes) -> None:
    try:
        batch = reader.read(body)
    except Problem as problem:
        json.loads(problem.body("id"))
        return
    assert batch.numeric.shape == (1, len(found.inputs.numeric))
    assert batch.categorical.shape == (1, len(found.inputs.categorical))
    json.loads(documents.write(batch.numeric, batch.categorical))


def _value(feature: Feature, index: int) -> Any:
    if feature.categories and index == 0:
        return feature.categories[0]
    return VALUES[feature.type][index]


@functools.cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="slipway-fuzz-"))
    atexit.register(shutil.rmtree, made)
    return made

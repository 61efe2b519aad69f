"""Which types does a skops file name? Reads the names, imports and loads nothing.

skops itself decides at load; asking it here would import all of scikit-learn,
8 s for a list of names. Refuses kinds of nodes that call something
(functions, methods, reduce) and types that are not scikit-learn's or plain data.
Source: the format is a zip whose schema.json is a tree of nodes, skops/io/_audit.py.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slipway.errors import BadInput

SCHEMA_LIMIT = 256 * 1024**2  # bytes, unpacked: a bomb is not read
DATA_NODES = {
    *("BytearrayNode", "BytesNode", "CachedNode", "DTypeNode", "DefaultDictNode", "DictNode", "JsonNode"),
    *("ListNode", "LossNode", "MaskedArrayNode", "NdArrayNode", "ObjectNode", "RandomGeneratorNode"),
    *("RandomStateNode", "SetNode", "SliceNode", "SparseMatrixNode", "TreeNode", "TupleNode", "TypeNode"),
}
BUILTINS = {
    *("NoneType", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
    *("object", "range", "set", "slice", "str", "tuple", "type"),
}
COLLECTIONS = {"OrderedDict", "defaultdict"}


def types(file: Path) -> list[str]:
    """Return the sklearn and numpy types of a file, for MLflow's list of trusted types.

    Raises:
        BadInput: the file is not a skops file, or names a type that is refused.
    """
    found = {(node["__loader__"], node["__module__"], node["__class__"]) for node in _nodes(_tree(file))}
    refused = sorted(
        f"{module}.{name} ({loader})" for loader, module, name in found if not _plain(loader, module, name)
    )
    if refused:
        raise BadInput(
            f"{file} is refused without loading it",
            expected="types of scikit-learn and plain data",
            found=", ".join(refused[:10]),
            hint="use an estimator made of scikit-learn's own types, or have the type reviewed and listed",
        )
    return sorted(f"{module}.{name}" for _, module, name in found if module.startswith(("sklearn.", "numpy")))


def _tree(file: Path) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo("schema.json").file_size > SCHEMA_LIMIT:
                raise ValueError("schema.json is too large")  # noqa: TRY301
            return json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, RecursionError) as error:
        raise BadInput(
            f"{file} is refused", expected="a skops file", found=str(error)[:200], hint="dvc repro --force train"
        ) from error


def _nodes(tree: Any) -> Iterator[dict[str, str]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if {"__loader__", "__module__", "__class__"} & set(node):
                yield {key: str(node.get(key)) for key in ("__loader__", "__module__", "__class__")}
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _plain(loader: str, module: str, name: str) -> bool:
    if loader not in DATA_NODES or not name.isidentifier():
        return False
    if module == "builtins":
        return name in BUILTINS
    if module == "collections":
        return name in COLLECTIONS
    if module.startswith("sklearn."):
        return ".tests" not in module and (loader != "TypeNode" or name[:1].isupper())
    return module.partition(".")[0] == "numpy" or module.startswith("scipy.sparse.")

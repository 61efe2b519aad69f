"""One thing that a manifest must not say, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """`where` names the file or the object, `rule` the rule's short name."""

    where: str
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason} [{self.rule}]"


def named(document: Mapping[str, Any]) -> str:
    """Name an object as people do: Kind/name."""
    metadata = document.get("metadata")
    name = metadata.get("name", "?") if isinstance(metadata, Mapping) else "?"
    return f"{document.get('kind', '?')}/{name}"


def strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a document with the path to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings(inner, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path, value

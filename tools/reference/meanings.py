"""What only words can explain, from meanings.yaml: read as one, and compared with what the code has."""

from __future__ import annotations

import functools
from pathlib import Path

import yaml


class Unexplained(Exception):
    """Something that the code has and meanings.yaml does not, or the other way round."""


@functools.cache
def _file() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("meanings.yaml").read_text("utf-8"))
    return content


def meanings(section: str) -> dict[str, str]:
    """Return a section's words by name."""
    return _file()[section]


def complete(section: str, there: set[str]) -> dict[str, str]:
    """Return a section's words, one for each name that is there and none for another.

    Raises:
        Unexplained: a name without words, or words without a name.
    """
    explained = meanings(section)
    if lacking := sorted(there - set(explained)):
        raise Unexplained(f"tools/reference/meanings.yaml, {section}: explain these: {', '.join(lacking)}")
    if gone := sorted(set(explained) - there):
        raise Unexplained(f"tools/reference/meanings.yaml, {section}: nothing reads these any more: {', '.join(gone)}")
    return explained

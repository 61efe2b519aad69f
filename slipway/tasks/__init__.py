"""A file a task. What a model answers is found by the name that schema.json and data/contract.yaml give its task."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from slipway.errors import BadInput
from slipway.task import Task

DEFAULT = "binary"


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def read(described: Mapping[str, Any] | None, output: str = "probability") -> Task:
    """Return the task that schema.json describes; `output` is what its version 1 calls the answer.

    Raises:
        BadInput: no such task, or its description is not valid.
    """
    name = DEFAULT if described is None else described.get("name")
    if name not in names():
        raise BadInput(
            f"schema.json names the task {name!r}, which this version does not know",
            expected=", ".join(names()),
            found=repr(name),
            hint="upgrade slipway, or train with a task that it knows",
        )
    task: Task = importlib.import_module(f"{__name__}.{name}").read(described, output)
    return task


def keys(name: str) -> frozenset[str]:
    """Return the keys of data/contract.yaml that this task may have beside `task`."""
    found: frozenset[str] = importlib.import_module(f"{__name__}.{name}").KEYS
    return found


def unreadable(name: str, found: str) -> BadInput:
    """Return the error of a description that does not parse."""
    return BadInput(
        f"schema.json describes the task {name} in another way than this version reads",
        expected="docs/reference/artifact.md",
        found=found,
        hint="dvc repro --force train",
    )

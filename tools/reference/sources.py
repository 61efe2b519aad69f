"""The project's Python files as syntax trees, and its modules by name, wherever they are."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tools.rooms import ROOMS, ROOT


@functools.cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    """Parse every file of every room, with its path."""
    files = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in files)


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Find the calls of a function or class of that name, however it was imported."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called(node) == name:
                yield path, node


def called(node: ast.Call) -> str:
    """Name what is called, without what it is an attribute of."""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def text(node: ast.AST | None) -> str | None:
    """Return a literal string."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def module(stem: str) -> ModuleType:
    """Import the one module of that file name, in whatever room and folder it is."""
    (path,) = [Path(path) for path, _ in trees() if Path(path).stem == stem]
    return importlib.import_module(".".join(path.with_suffix("").parts))

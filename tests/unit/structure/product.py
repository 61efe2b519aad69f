"""The product's modules: the rooms, and the tools that make its pages."""

from __future__ import annotations

from tools.rooms import ROOMS, ROOT


def modules() -> dict[str, str]:
    """Return path and source of every module."""
    paths = [path for room in (*ROOMS, "tools") for path in sorted((ROOT / room).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}

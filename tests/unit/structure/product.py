"""The product's modules: what the wheel carries, and the tools that make its pages."""

from __future__ import annotations

import tomllib
from pathlib import Path

TOP = Path(__file__).parents[3]


def modules() -> dict[str, str]:
    """Return path and source of every module, as the wheel's list of folders in pyproject.toml has them."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    rooms = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    paths = [path for room in (*rooms, "tools") for path in sorted((TOP / room).rglob("*.py"))]
    return {path.relative_to(TOP).as_posix(): path.read_text() for path in paths}

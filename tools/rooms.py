"""The rooms of the project, as pyproject.toml lists the packages of its wheel: read, never written down again."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: tuple[str, ...] = tuple(PROJECT["tool"]["importlinter"]["root_packages"])

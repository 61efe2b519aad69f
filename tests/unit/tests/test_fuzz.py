"""Every seed of the fuzz targets, and every input that once broke a promise, is checked again."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
TARGETS = ("connection", "bodies", "spool", "contract")
INPUTS = [path for folder in ("seeds", "findings") for name in TARGETS for path in (FUZZ / folder / name).glob("*")]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_not_found_again(path: Path) -> None:
    importlib.import_module(f"tests.fuzz.fuzz_{path.parent.name}").check(path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)

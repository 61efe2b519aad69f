"""Every seed of the fuzz targets, and every input that once broke a promise, is checked again."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from tests.fuzz.__main__ import MEASURED

FUZZ = Path(__file__).parents[2] / "fuzz"
TARGETS = ("connection", "bodies", "spool", "contract")
INPUTS = [path for folder in ("seeds", "findings") for name in TARGETS for path in (FUZZ / folder / name).glob("*")]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_not_found_again(path: Path) -> None:
    importlib.import_module(f"tests.fuzz.fuzz_{path.parent.name}").check(path.read_bytes())


def test_every_target_has_inputs() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_reads_is_measured(name: str) -> None:
    # libFuzzer without a measure of what it reached only guesses, and says nothing of it.
    tree = ast.parse((FUZZ / f"fuzz_{name}.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    modules = [f"{node.module}.{alias.name}" for node in imports for alias in node.names]
    read = [module for module in modules if module.startswith(("journal.", "serving.", "training."))]
    assert [module for module in read if not module.startswith(tuple(MEASURED))] == []
    assert read or name == "connection"

from __future__ import annotations

import ast

import pytest

from release.environments import ENVIRONMENTS, PRODUCTION, STAGING, needs_approval
from tests.unit.structure.product import modules

# Modules that spell an environment's name themselves, and why.
ALLOWED = {
    "release/environments.py": "declares them",
    "tools/add_model.py": "names components of gitops/base/, which are folders of that name",
    "serving/settings.py": "reads SLIPWAY_ENVIRONMENT in the image, which holds no module of release/",
}


def spelt(source: str) -> list[int]:
    """Return the lines with a string that is an environment's name, or a path with a part that is one."""
    strings = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return [
        node.lineno
        for node in strings
        if isinstance(node.value, str) and " " not in node.value and set(node.value.split("/")) & set(ENVIRONMENTS)
    ]


@pytest.mark.parametrize("source", ['x = "staging"', 'p = f"apps/{n}/production/release"', 'x = ["production"]'])
def test_a_name_and_a_part_of_a_path_count(source: str) -> None:
    assert spelt(source) == [1]


def test_no_other_module_spells_an_environment() -> None:
    found = {name: lines for name, source in modules().items() if (lines := spelt(source))}
    assert {module: lines for module, lines in found.items() if module not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "an allowance that nothing needs"


def test_production_alone_needs_approval_and_comes_last() -> None:
    assert ENVIRONMENTS == (STAGING, PRODUCTION)
    assert [environment for environment in ENVIRONMENTS if needs_approval(environment)] == [PRODUCTION]

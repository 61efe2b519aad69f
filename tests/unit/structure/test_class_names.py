from __future__ import annotations

import ast
from collections import defaultdict

from tests.unit.structure.product import modules

# Names that two rooms share, because they read the same thing and may not import each other.
LIMITS = "a part of the gate's limits in params.yaml, which each task has its own of, in registry/tasks/"
FAMILIES = {
    **dict.fromkeys(("Floors", "Gate", "Margins", "Minimum", "NonInferiority", "Slices"), LIMITS),
    "Feature": "an input of the model: training writes it to schema.json, serving reads it there",
    "ModelSection": "the section `model` of params.yaml, of which training and registry read their own part",
    "Section": "a section of params.yaml, of which training and registry read their own part",
}


def twice(sources: dict[str, str]) -> dict[str, list[str]]:
    """Return the names of classes that several modules define, with the modules."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_a_class_of_two_modules_is_found() -> None:
    assert twice({"a.py": "class A: ...", "b.py": "class A: ...\nclass B: ..."}) == {"A": ["a.py", "b.py"]}


def test_one_class_name_has_one_meaning() -> None:
    found = twice(modules())
    assert {name: places for name, places in found.items() if name not in FAMILIES} == {}
    assert set(FAMILIES) <= set(found), "a family of one"

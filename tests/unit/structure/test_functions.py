from __future__ import annotations

import ast

import pytest

from tests.unit.structure.product import modules

LONGEST = 30
# Functions that are longer, and why. Lines are counted without the docstring.
ALLOWED = {
    "image/__main__.py:image": "a command's options, which Click wants as parameters, one a line",
    "image/cli.py:package": "a command's options, which Click wants as parameters, one a line",
    "image/engine.py:build": "flags of three tools side by side; apart, no one sees how they differ",
    "registry/register.py:register": "their order is the promise: killed anywhere, the next run completes it",
    "registry/register.py:_write": "the same: each line is a write that the next run finds done",
    "serving/parts.py:readings": "a table of metrics: name, meaning, kind and reading",
    "serving/parts.py:_journal_readings": "a table of metrics: name, meaning, kind and reading",
}


def lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def long_functions(source: str) -> dict[str, int]:
    """Return the functions that are longer than LONGEST, with their lines."""
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return {function.name: lines(function) for function in functions if lines(function) > LONGEST}


@pytest.mark.parametrize(("body", "found"), [(LONGEST - 1, {}), (LONGEST, {"f": LONGEST + 1})])
def test_lines_are_counted_without_the_docstring(body: int, found: dict[str, int]) -> None:
    assert long_functions('def f():\n    """Doc\n\n    more.\n    """\n' + "    x = 1\n" * body) == found
    assert long_functions("async def f():\n" + "    x = 1\n" * body) == found


def test_no_function_is_longer_than_allowed() -> None:
    found = {
        f"{name}:{function}": length
        for name, source in modules().items()
        for function, length in long_functions(source).items()
    }
    assert {function: length for function, length in found.items() if function not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found), "an allowance that nothing needs"

"""No parameter of a test and no fixture hides what it is behind Any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"

# FILE::FUNCTION(PARAMETER) or FILE::FUNCTION -> : why nothing better can be written.
UNTYPED: dict[str, str] = {}


def is_fixture(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(mark).startswith("pytest.fixture") for mark in function.decorator_list)


def holds_any(annotation: ast.expr | None) -> bool:
    """Tell whether an annotation is missing or Any, or yields, returns or awaits nothing but Any."""
    if annotation is None or ast.unparse(annotation) in {"Any", "typing.Any"}:
        return True
    if not isinstance(annotation, ast.Subscript):
        return False
    inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    outer = ast.unparse(annotation.value)
    if outer == "Callable":
        return holds_any(inner[-1])
    return outer in {"Iterator", "Generator", "AsyncIterator"} and holds_any(inner[0])


def untyped(text: str) -> Iterator[str]:
    """Yield each parameter and each fixture of a module that is Any."""
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        fixture = is_fixture(function)
        if not fixture and not function.name.startswith("test_"):
            continue
        parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        yield from (
            f"{function.name}({parameter.arg})"
            for parameter in parameters
            if parameter.arg != "self" and holds_any(parameter.annotation)
        )
        if fixture and holds_any(function.returns):
            yield f"{function.name} ->"


def test_a_parameter_and_a_fixture_of_no_type_are_seen() -> None:
    module = """
@pytest.fixture
def bench() -> Iterator[Any]: ...
@pytest.fixture(scope="session")
def make() -> Callable[..., Any]: ...
def test_it(bench: Any, make: Callable[..., str], rows: list[Any], *, key: Any) -> None: ...
def made(value: Any) -> Any: ...
"""
    assert list(untyped(module)) == ["bench ->", "make ->", "test_it(bench)", "test_it(key)"]


def test_every_fixture_and_every_parameter_of_a_test_has_a_type() -> None:
    seen = {
        f"{path.relative_to(TESTS)}::{name}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in untyped(path.read_text())
    }
    assert seen - set(UNTYPED) == set(), "write the fixture's class: what its fixture returns"
    assert set(UNTYPED) <= seen, "no longer untyped: take it off the list"

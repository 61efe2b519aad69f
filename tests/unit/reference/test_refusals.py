"""Every refusal that the security model promises names tests, and each of those is there and runs."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"


def promised() -> list[str]:
    """List the first cell of every row of "What refuses what"."""
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    tables = page.partition("\n## What refuses what\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \| .+ \|$", tables, flags=re.MULTILINE)
    return [cell for cell in cells if cell != "input"]


def held() -> dict[str, list[tuple[str, str]]]:
    """List file and name of each test by the row that it holds."""
    found: dict[str, list[tuple[str, str]]] = {}
    file = ""
    for line in (ROOT / "docs/reference/refusals.md").read_text(encoding="utf-8").splitlines():
        if row := re.fullmatch(r"- \*\*(.+)\*\*", line):
            tests = found.setdefault(row[1], [])
        elif path := re.fullmatch(r"  - `(.+)`", line):
            file = path[1]
        elif test := re.fullmatch(r"    - `(.+)`", line):
            tests.append((file, test[1]))
    return found


@functools.cache
def running(file: str) -> frozenset[str]:
    """Name the tests of a file that nothing skips."""
    functions = [node for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    skipped = re.compile(r"\b(skip|skipif|xfail)\b")
    return frozenset(
        one.name for one in functions if not any(skipped.search(ast.unparse(mark)) for mark in one.decorator_list)
    )


def test_every_row_of_the_security_model_stands_in_the_page_of_tests() -> None:
    assert len(promised()) > 20
    assert list(held()) == promised()


@pytest.mark.parametrize("row", held())
def test_a_row_is_held_by_tests_that_run(row: str) -> None:
    assert held()[row], "no test holds this row"
    gone = [f"{file}: {name}" for file, name in held()[row] if name not in running(file)]
    assert not gone, "no such test, or it is skipped"


def test_every_test_that_is_numbered_as_an_attack_holds_a_row() -> None:
    numbered = {
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob("test_*.py")
        for name in running(str(path.relative_to(TESTS)))
        if re.match(r"test_a\d\d_", name)
    }
    assert len(numbered) > 20
    assert numbered <= {test for tests in held().values() for test in tests}

"""Every outcome that the pages of attacks and of faults promise names tests, and each of those is there and runs."""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Promise:
    """A section of tables, and the page that names the tests behind each row."""

    page: str
    section: str
    tests: str

    def rows(self) -> list[str]:
        """List the first cell of every row."""
        page = (ROOT / self.page).read_text(encoding="utf-8")
        tables = page.partition(f"\n## {self.section}\n")[2].partition("\n## ")[0]
        cells = re.findall(r"^\| (.+?) \| .+ \|$", tables, flags=re.MULTILINE)
        return [cell for cell in cells if cell not in ("input", "fault")]

    def held(self) -> dict[str, list[tuple[str, str]]]:
        """List file and name of each test by the row that it holds."""
        found: dict[str, list[tuple[str, str]]] = {}
        file = ""
        for line in (ROOT / self.tests).read_text(encoding="utf-8").splitlines():
            if row := re.fullmatch(r"- \*\*(.+)\*\*", line):
                tests = found.setdefault(row[1], [])
            elif path := re.fullmatch(r"  - `(.+)`", line):
                file = path[1]
            elif test := re.fullmatch(r"    - `(.+)`", line):
                tests.append((file, test[1]))
        return found


REFUSED = Promise("docs/security.md", "What refuses what", "docs/reference/refusals.md")
SURVIVED = Promise("docs/faults.md", "What survives what", "docs/reference/survived.md")
BOTH = pytest.mark.parametrize("promise", [REFUSED, SURVIVED], ids=["refused", "survived"])


@functools.cache
def running(file: str) -> frozenset[str]:
    """Name the tests of a file that nothing skips."""
    functions = [node for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    skipped = re.compile(r"\b(skip|skipif|xfail)\b")
    return frozenset(
        one.name for one in functions if not any(skipped.search(ast.unparse(mark)) for mark in one.decorator_list)
    )


@BOTH
def test_every_row_of_the_page_stands_in_the_page_of_tests(promise: Promise) -> None:
    assert len(promise.rows()) > 20
    assert list(promise.held()) == promise.rows()


@pytest.mark.parametrize(("row", "tests"), [*REFUSED.held().items(), *SURVIVED.held().items()])
def test_a_row_is_held_by_tests_that_run(row: str, tests: list[tuple[str, str]]) -> None:
    assert tests, f"no test holds {row}"
    gone = [f"{file}: {name}" for file, name in tests if name not in running(file)]
    assert not gone, "no such test, or it is skipped"


NUMBERED = re.compile(r"test_[a-z]\d\d_")


def test_no_test_is_named_by_a_number_that_no_page_explains() -> None:
    numbered = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in running(str(path.relative_to(TESTS)))
        if NUMBERED.match(name)
    }
    assert not numbered, "name it for what it shows; its row names it in docs/reference"

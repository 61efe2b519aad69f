"""Every outcome that the threat model and the page of faults promise names tests, and each of those exists and runs."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tools.reference.promises import REFUSED, SURVIVED, Promises, Row

TESTS = Path(__file__).parents[2]


@functools.cache
def running(file: str) -> frozenset[str]:
    """Name the tests of a file that nothing skips."""
    functions = [node for node in ast.parse((TESTS / file).read_text()).body if isinstance(node, ast.FunctionDef)]
    skipped = re.compile(r"\b(skip|skipif|xfail)\b")
    return frozenset(
        one.name for one in functions if not any(skipped.search(ast.unparse(mark)) for mark in one.decorator_list)
    )


@pytest.mark.parametrize("promises", [REFUSED, SURVIVED], ids=["refused", "survived"])
def test_every_row_is_promised_once(promises: Promises) -> None:
    causes = [row.cause for row in promises.rows()]
    assert len(causes) > 20
    assert len(set(causes)) == len(causes)


@pytest.mark.parametrize("row", [*REFUSED.rows(), *SURVIVED.rows()], ids=lambda row: row.cause[:60])
def test_a_row_is_held_by_tests_that_run(row: Row) -> None:
    assert row.tests, f"no test holds {row.cause}"
    missing = [f"{file}: {name}" for file, names in row.tests.items() for name in names if name not in running(file)]
    assert not missing, "no such test, or it is skipped"


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page\n")
    unmarked = Promises(REFUSED.file, "input", str(tmp_path / "page.md"), "", "", "")
    with pytest.raises(ValueError, match="lacks the mark"):
        unmarked.write_doc()


NUMBERED = re.compile(r"test_[a-z]\d\d_")


def test_no_test_is_named_by_a_number_that_no_page_explains() -> None:
    numbered = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in running(str(path.relative_to(TESTS)))
        if NUMBERED.match(name)
    }
    assert not numbered, "name it for what it shows; its row names it in docs/reference"

"""Every outcome that the threat model and the page of faults promise names tests, and each of those exists and runs."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tools.reference.promises import REFUSED, SURVIVED, Promises, Row

TESTS = Path(__file__).parents[2]
BOTH = pytest.mark.parametrize(
    ("promises", "numbered"), [(REFUSED, r"test_a\d\d_"), (SURVIVED, r"test_f\d\d_")], ids=["refused", "survived"]
)


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


@BOTH
def test_every_numbered_test_holds_a_row(promises: Promises, numbered: str) -> None:
    there = {
        (str(path.relative_to(TESTS)), name)
        for path in TESTS.rglob("test_*.py")
        for name in running(str(path.relative_to(TESTS)))
        if re.match(numbered, name)
    }
    assert len(there) > 10
    assert there <= {(file, name) for row in promises.rows() for file, names in row.tests.items() for name in names}


def test_a_page_without_its_marks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# A page\n")
    unmarked = Promises(REFUSED.file, "input", str(tmp_path / "page.md"), "", "", "")
    with pytest.raises(ValueError, match="lacks the mark"):
        unmarked.write_doc()

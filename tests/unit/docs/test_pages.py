"""The pages whose commands are run: each block says how, or why not; and the reader of them is no rubber stamp."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.fixtures.pages import PAGES, ROOT, Block, agrees, blocks, outside

NOT_RUN = [each for page in PAGES for each in blocks(page) if each.how == "not run"]


def missing(block: Block) -> list[str]:
    """Say what a block's mark names that is not there; a block that is not run has to name a test."""
    if not block.tests:
        return [f"{block.page.name}:{block.line} names no tests/…py::test_…"]
    return [test for test in block.tests if not _is_there(*test.split("::"))]


def _is_there(file: str, name: str) -> bool:
    path = ROOT / file
    return path.exists() and f"\ndef {name}(" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_run_or_says_why_not(page: Path) -> None:
    assert not outside(page)
    found = blocks(page)
    counted = Counter("not run" if each.how == "not run" else "run" for each in found for _ in each.steps)
    print(f"{page.name}: {dict(counted)}")
    assert all(each.argument.strip() for each in found if each.how in ("not run", "output varies", "file", "instead"))


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: f"{block.page.name}:{block.line}")
def test_what_is_not_run_names_the_test_that_holds_it(block: Block) -> None:
    assert not missing(block)


@pytest.mark.parametrize(
    "reason",
    ["needs Docker", "tests/unit/docs/test_pages.py", "tests/unit/docs/test_pages.py::test_of_nothing"],
)
def test_a_block_that_names_no_test_is_refused(reason: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"<!-- not run: {reason} -->\n```console\n$ true\n```\n")
    (block,) = blocks(page)
    assert missing(block)


def test_most_commands_are_run() -> None:
    every = [each for page in PAGES for each in blocks(page) for _ in each.steps]
    assert sum(each.how != "not run" for each in every) > len(every) / 2


@pytest.mark.parametrize(
    ("shown", "came", "agree"),
    [
        ("version 1 passed", "version 1 passed", True),
        ("version 1 passed", "version 2 passed", False),
        ("version 1 passed", "version 1 passed\nand more", False),
        ("first\n…", "first\nand\nmore", True),
        ("…\nlast", "much\nbefore\nlast", True),
        ("…\nlast", "much\nbefore\nthe end", False),
        ("took 12.1 s", "took 0.4 s", True),
        ("sha256:0123abc456", "sha256:ffff0000aa", True),
        ("at 2026-11-24T08:26:31+00:00", "at 2027-01-01T00:00:00+00:00", True),
        ("a …, c", "a b, c", True),
        ("a …, c", "a b, d", False),
        ("", "unexpected", False),
    ],
)
def test_what_a_page_shows_is_compared(shown: str, came: str, agree: bool) -> None:
    assert agrees(tuple(shown.splitlines()), came.splitlines()) is agree


def test_a_command_over_several_lines_is_one(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    loop = "$ for a in 1 2; do\n    echo $a\n  done\n1\n2\n"
    quoted = "$ python -c '\nprint(3)'\n3\n"
    page.write_text(f"```console\n{loop}{quoted}$ cat <<EOF\nx\nEOF\nx\n```\n")
    (block,) = blocks(page)
    assert [step.printed for step in block.steps] == [("1", "2"), ("3",), ("x",)]


def test_a_mark_that_no_rule_knows_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- skip -->\n```console\n$ true\n```\n")
    with pytest.raises(ValueError, match="no rule is called 'skip'"):
        blocks(page)


def test_a_command_in_an_indented_block_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Do this:\n\n    $ rm -rf /\n")
    assert outside(page)

"""Every error of the release path says what was expected or found, and what to type."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

KINDS = ("BadInput", "Refused", "Unavailable")
ROOM = Path(__file__).parents[3] / "release"


def incomplete(text: str) -> list[str]:
    calls = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call)]
    named = [(one, {each.arg for each in one.keywords}) for one in calls if getattr(one.func, "id", "") in KINDS]
    return [ast.unparse(one) for one, words in named if "hint" not in words or not words & {"expected", "found"}]


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOM)))
def test_an_error_leads_on(path: Path) -> None:
    assert incomplete(path.read_text()) == []


def test_the_check_finds_an_error_that_does_not() -> None:
    assert incomplete("raise BadInput('no', hint='type')") == ["BadInput('no', hint='type')"]
    assert incomplete("raise Refused('no', expected='yes')")
    assert not incomplete("raise Refused('no', expected='yes', hint='type')")

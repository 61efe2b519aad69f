"""Every error of every room says what was expected or found, and what to do next."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from slipway.errors import BadInput, SlipwayError
from tests.fixtures.commands import problem
from tools.rooms import ROOMS
from tools.rooms import ROOT as TOP

FILES = sorted(path for room in [*ROOMS, "tools"] for path in (TOP / room).rglob("*.py"))


@functools.cache
def tree(text: str) -> ast.Module:
    return ast.parse(text)


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def kinds() -> set[str]:
    """Return the names of SlipwayError and of every class below it."""
    classes = {
        node.name: {name_of(base) for base in node.bases}
        for path in FILES
        for node in ast.walk(tree(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    known = {SlipwayError.__name__}
    while more := {name for name, bases in classes.items() if bases & known} - known:
        known |= more
    return known


KINDS = kinds()


def errors(text: str) -> Iterator[tuple[ast.Call, dict[str | None, ast.expr]]]:
    for node in ast.walk(tree(text)):
        if isinstance(node, ast.Call) and name_of(node.func) in KINDS:
            yield node, {word.arg: word.value for word in node.keywords}


def incomplete(text: str) -> list[str]:
    """Return the errors without a next step, or without anything that was expected or found."""
    lacking = []
    for call, words in errors(text):
        hint = words.get("hint")
        empty = hint is None or (isinstance(hint, ast.Constant) and not str(hint.value or "").strip())
        if empty or not words.keys() & {"expected", "found"}:
            lacking.append(ast.unparse(call))
    return lacking


def test_every_error_names_a_next_step() -> None:
    lacking = {str(path.relative_to(TOP)): incomplete(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: errors for path, errors in lacking.items() if errors} == {}


def test_the_check_finds_an_error_without_one() -> None:
    assert incomplete("raise BadInput('no', hint='type')") == ["BadInput('no', hint='type')"]
    assert incomplete("raise Refused('no', expected='yes')")
    assert incomplete("raise errors.Unavailable('no', expected='yes', hint='')")
    assert not incomplete("raise Refused('no', expected='yes', hint='type')")


def test_the_check_knows_every_kind_of_error() -> None:
    assert {"SlipwayError", "BadInput", "Refused", "Unavailable"} <= KINDS
    assert sum(len(list(errors(path.read_text(encoding="utf-8")))) for path in FILES) > 300


def test_no_error_can_be_made_without_a_next_step() -> None:
    with pytest.raises(TypeError, match="hint"):
        BadInput("no")  # type: ignore[call-arg]


def as_typed(hint: ast.expr) -> str:
    """Return a hint with something plausible in the place of each value."""
    if isinstance(hint, ast.JoinedStr):
        return "".join(as_typed(part) for part in hint.values)
    if isinstance(hint, ast.FormattedValue):
        value = ast.unparse(hint.value)
        return "production" if "environment" in value else "7" if re.search("version|number|port", value) else "x"
    return str(hint.value) if isinstance(hint, ast.Constant) else ""


def commands(hint: str) -> list[str]:
    """Find each `slipway …` of a hint, as far as it is the command and not the sentence around it."""
    ends = r",|;|\s\(|\s\s|\s(?:or|and|once|then|closes|with)\s|$"
    return re.findall(rf"\b(slipway [a-z].*?)(?={ends})", hint.replace("…", "7"))


def test_every_command_of_a_hint_parses() -> None:
    hints = {
        (str(path.relative_to(TOP)), as_typed(words["hint"]))
        for path in FILES
        for _, words in errors(path.read_text(encoding="utf-8"))
        if "hint" in words
    }
    typed = [(path, command) for path, hint in sorted(hints) for command in commands(hint)]
    assert len(typed) > 60
    assert [f"{path}: {command}: {why}" for path, command in typed if (why := problem(command))] == []


def test_a_hint_that_the_command_line_refuses_is_found() -> None:
    assert commands("slipway reject x 7 --reason …, then slipway stage x 8") == [
        "slipway reject x 7 --reason 7",
        "slipway stage x 8",
    ]
    assert problem("slipway drift --window 7d")

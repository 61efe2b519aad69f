"""What the pages, alerts, workflows and manifests type is what the command line takes."""

from __future__ import annotations

import pytest

from tests.fixtures.commands import problem, typed


def test_every_command_that_is_typed_somewhere_parses() -> None:
    every = typed()
    assert len(every) > 100
    wrong = [f"{one.where}: {one.text}: {why}" for one in every if (why := problem(one.text))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("slipway rollback production", "Missing option '--reason'"),
        ("slipway rollback x --reason", "requires an argument"),
        ("slipway rollback x nowhere --reason y", "nowhere"),
        ("slipway package --push", "NAME[@ALIAS|@NUMBER]"),
        ("slipway journal frobnicate", "No such command"),
        ("slipway status --wrong", "No such option"),
    ],
)
def test_what_the_command_line_refuses_is_found(text: str, why: str) -> None:
    assert why in str(problem(text))


@pytest.mark.parametrize(
    "text",
    ["slipway rollback", "slipway rollback NAME [ENVIRONMENT] [--to VERSION] --reason TEXT", "slipway status | less"],
)
def test_the_name_of_a_command_and_a_synopsis_are_fine(text: str) -> None:
    assert problem(text) is None

from __future__ import annotations

import pytest

from registry.remote import Held, State
from release.rules.data_in_remote import RULE
from tests.unit.release.rules.conftest import MakeCandidate


@pytest.mark.parametrize(
    ("state", "passed", "may_pass"),
    [
        (State.HELD, True, False),
        (State.NOT_CHECKED, None, False),
        (State.MISSING, False, False),
        (State.UNANSWERED, False, True),
    ],
)
def test_missing_data_refuses_for_good_and_a_silent_remote_for_a_while(
    candidate: MakeCandidate, state: State, passed: bool | None, may_pass: bool
) -> None:
    fact = RULE.ask(candidate(in_remote=lambda *_: Held(state, "why")))
    assert (RULE.judge(fact).passed, RULE.judge(fact).reason) == (passed, "why")
    assert (RULE.may_pass(fact), RULE.shown) == (may_pass, True)

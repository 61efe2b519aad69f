from __future__ import annotations

import pytest

from release.rules.model_in_store import RULE
from slipway.answer import Answer
from tests.unit.release.rules.conftest import MakeCandidate


@pytest.mark.parametrize(
    ("answer", "passed", "may_pass"), [(True, True, False), (False, False, False), (None, False, True)]
)
def test_only_a_yes_passes_and_only_silence_may_pass_later(
    candidate: MakeCandidate, answer: bool | None, passed: bool, may_pass: bool
) -> None:
    fact = RULE.ask(candidate(in_store=lambda *_: Answer(answer, "why")))
    outcome = RULE.judge(fact)
    assert (outcome.name, outcome.passed, outcome.reason) == ("model_in_store", passed, "why")
    assert (RULE.may_pass(fact), RULE.shown) == (may_pass, False)

from __future__ import annotations

import pytest

from registry.statement import Opinion
from release.rules.verdict import RULE
from tests.unit.release.rules.conftest import MakeCandidate


@pytest.mark.parametrize(
    ("verdict", "passed", "may_pass"),
    [("passed", True, False), ("failed", False, False), ("", False, False), (None, False, True)],
)
def test_only_the_verdict_passed_passes_and_only_a_silent_store_may_pass_later(
    candidate: MakeCandidate, verdict: str | None, passed: bool, may_pass: bool
) -> None:
    fact = RULE.ask(candidate(judged=lambda *_: Opinion(verdict, "why")))
    assert (RULE.judge(fact).passed, RULE.judge(fact).reason) == (passed, "why")
    assert (RULE.may_pass(fact), RULE.shown) == (may_pass, True)

from __future__ import annotations

import pytest

from release.forges.forge import PromotionRequest
from release.rules import no_other_request
from tests.unit.release.rules.conftest import MakeCandidate


@pytest.mark.parametrize(
    ("versions", "passed", "reason"),
    [
        ((), True, "no other request is open"),
        ((6, 7), True, "no other request is open"),
        ((6, 8, 9), False, "release/tiny/8 is open"),
    ],
)
def test_a_request_for_a_newer_version_refuses(
    candidate: MakeCandidate, monkeypatch: pytest.MonkeyPatch, versions: tuple[int, ...], passed: bool, reason: str
) -> None:
    requests = [PromotionRequest("tiny", version, f"release/tiny/{version}", "a" * 40, "Ada") for version in versions]
    monkeypatch.setattr(no_other_request, "approvable", lambda *_: requests)
    fact = no_other_request.RULE.ask(candidate())
    outcome = no_other_request.RULE.judge(fact)
    assert (outcome.passed, outcome.reason, no_other_request.RULE.may_pass(fact)) == (passed, reason, False)

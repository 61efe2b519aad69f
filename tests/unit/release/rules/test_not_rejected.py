from __future__ import annotations

from dataclasses import replace

import pytest

from release.rules import not_rejected
from tests.unit.release.rules.conftest import VERSION, MakeCandidate


@pytest.mark.parametrize(
    ("tags", "rolled_back", "passed", "reason"),
    [
        ({}, False, True, "never rejected"),
        ({"rejected": "slow"}, False, False, "slow"),
        ({}, True, False, "production was rolled back from it"),
        ({"rejected": "slow"}, True, False, "slow"),
    ],
)
def test_a_tag_or_a_rollback_in_git_refuses_for_good(
    candidate: MakeCandidate,
    monkeypatch: pytest.MonkeyPatch,
    tags: dict[str, str],
    rolled_back: bool,
    passed: bool,
    reason: str,
) -> None:
    monkeypatch.setattr(not_rejected, "history", lambda *_: [])
    monkeypatch.setattr(not_rejected, "rejected_run", lambda *_: rolled_back)
    fact = not_rejected.RULE.ask(candidate(version=replace(VERSION, tags=tags)))
    outcome = not_rejected.RULE.judge(fact)
    assert (outcome.passed, outcome.reason, not_rejected.RULE.may_pass(fact)) == (passed, reason, False)

from __future__ import annotations

import pytest

from release.cluster.health import Health
from release.rules.staging_healthy_seconds import RULE
from tests.unit.release.rules.conftest import MakeCandidate


@pytest.mark.parametrize(
    ("health", "passed"),
    [
        (Health(600.0, "healthy"), True),
        (Health(599.9, "healthy"), False),
        (Health(None, "nobody knows"), False),
        (Health(float("nan"), "?"), False),
    ],
)
def test_staging_has_to_be_healthy_for_its_time_and_time_may_turn_a_refusal(
    candidate: MakeCandidate, health: Health, passed: bool
) -> None:
    fact = RULE.ask(candidate(health=lambda *_: health))
    outcome = RULE.judge(fact)
    assert (outcome.name, outcome.passed, outcome.limit) == ("staging_healthy_seconds", passed, 600.0)
    assert health.said in outcome.reason
    assert RULE.may_pass(fact)


def test_what_somebody_saw_healthy_before_staging_moved_on_is_not_asked_of_the_cluster(
    candidate: MakeCandidate,
) -> None:
    def unasked(*_: str) -> Health:
        raise AssertionError("the cluster runs another release by now")

    outcome = RULE.judge(RULE.ask(candidate({"baked": "healthy before"}, health=unasked)))
    assert (outcome.passed, outcome.reason) == (True, "healthy before")

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from registry.tracking import Version
from release.rules.not_older import RULE, VersionOrder
from tests.unit.release.rules.conftest import RELEASE, VERSION, MakeCandidate


@dataclass(frozen=True)
class Registered:
    """MLflow with these versions."""

    known: tuple[Version, ...]

    def versions(self, _: str) -> list[Version]:
        return list(self.known)


@pytest.mark.parametrize(
    ("order", "passed", "reason"),
    [
        (VersionOrder(7, 0), True, "version 7, production has none"),
        (VersionOrder(7, 7), True, "version 7, production has 7"),
        (VersionOrder(7, 8), False, "version 7 is older than production's 8"),
        (VersionOrder(7, 8, rollback=True), True, "version 7 is older than production's 8, asked for by --rollback"),
        (VersionOrder(7, 8, remade=True), True, "version 7; production's 8 is of a run that MLflow has no version of"),
    ],
)
def test_an_older_version_needs_a_rollback_or_a_model_that_was_made_again(
    order: VersionOrder, passed: bool, reason: str
) -> None:
    outcome = RULE.judge(order)
    assert (outcome.passed, outcome.reason, RULE.may_pass(order)) == (passed, reason, False)


@pytest.mark.parametrize("known", [True, False])
def test_mlflow_is_asked_whether_it_knows_the_run_of_productions_release(candidate: MakeCandidate, known: bool) -> None:
    eighth = replace(VERSION, number=8)
    tracking = Registered((eighth if known else replace(eighth, run_id="0" * 32),))
    wanted = candidate({"production": replace(RELEASE, version=8)}, rollback=True, tracking=tracking)
    assert RULE.ask(wanted) == VersionOrder(7, 8, rollback=True, remade=not known)

"""What stage, approve and rollback look at before they write: verdict, health and image."""

from __future__ import annotations

from typing import Any

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.rollback import rollback
from release.actions.stage import stage
from release.cluster.health import Health
from release.git.commits import REVERT
from slipway.answer import Answer
from slipway.errors import Refused
from tests.integration.release.conftest import ADA, NAME, ReleaseBench

pytestmark = pytest.mark.long

GONE: dict[str, Any] = {"in_registry": lambda *_: Answer(False, "host has no sha256:…")}
SILENT: dict[str, Any] = {"in_registry": lambda *_: Answer(None, "the registry gave no answer")}


def released(desk: ReleaseBench, environment: str = "production") -> int:
    with desk.acting() as context:
        release = context.clone.release(NAME, environment)
    assert release is not None
    return release.version


@pytest.mark.parametrize("verdict", ["failed", "anything"])
def test_a_version_that_the_gate_did_not_pass_is_staged_only_by_who_says_so(desk: ReleaseBench, verdict: str) -> None:
    desk.version(verdict)
    with desk.acting() as context:
        with pytest.raises(Refused, match=f"did not pass tiny version 1[^$]*{verdict}[^$]*--allow-failed"):
            stage(context, NAME, "1")
        assert context.clone.release(NAME, "staging") is None
        assert stage(context, NAME, "1", allow_failed=True).commit


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"health": lambda *_: Health(None, "the Rollout is Degraded")}, "no longer healthy in staging[^$]*Degraded"),
        (GONE, "cannot be found[^$]*host has no"),
        (SILENT, "cannot be found[^$]*gave no answer"),
    ],
    ids=["unhealthy", "image gone", "registry away"],
)
def test_an_approval_looks_again_at_health_and_image(desk: ReleaseBench, changes: dict[str, Any], reason: str) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, NAME, "1")
        promote(context, NAME, "1")
    with desk.acting(ADA, **changes) as context:
        with pytest.raises(Refused, match=reason):
            approve(context, NAME)
        assert context.clone.release(NAME, "production") is None
    with desk.acting(ADA) as context:
        assert approve(context, NAME).created


def test_a_rollback_to_an_image_that_is_gone_is_refused_before_anything_is_written(desk: ReleaseBench) -> None:
    for number in (desk.version(), desk.version()):
        desk.release(number)
    with desk.acting(**GONE) as context:
        before = context.clone.head
        with pytest.raises(Refused, match=r"no longer in its registry[^$]*--allow-missing-image"):
            rollback(context, NAME, reason="late")
        assert context.clone.head == before
    assert "rejected" not in desk.tags(2)
    assert released(desk) == 2
    with desk.acting(**GONE) as context:
        done = rollback(context, NAME, reason="late", allow_missing=True)
    assert "host has no" in (done.warning or "")
    assert released(desk) == 1


def test_a_registry_that_gives_no_answer_keeps_nobody_from_rolling_back(desk: ReleaseBench) -> None:
    for number in (desk.version(), desk.version()):
        desk.release(number)
    with desk.acting(**SILENT) as context:
        assert "gave no answer" in (rollback(context, NAME, reason="late").warning or "")
    assert released(desk) == 1


def test_a_failed_analysis_goes_back_to_what_runs_without_asking_for_its_image(desk: ReleaseBench) -> None:
    for number in (desk.version(), desk.version()):
        desk.release(number)
    with desk.acting(**GONE) as context:
        assert rollback(context, NAME, reason="smoke", action=REVERT).warning is None
    assert released(desk) == 1

"""A registered model that was deleted and made again counts from 1: a number with another run is another version."""

from __future__ import annotations

from typing import Any

import pytest

from release.actions.approve import approve
from release.actions.promote import promote
from release.actions.rollback import rollback
from release.actions.stage import stage
from release.views.differences import Place, compare
from release.views.trace import Sides, trace
from slipway.errors import Refused, Unavailable
from tests.integration.release.conftest import ADA, NAME, ReleaseBench

pytestmark = pytest.mark.long  # seconds each


def runs(desk: ReleaseBench) -> frozenset[str]:
    with desk.acting() as context:
        found = [context.clone.release(NAME, each) for each in ("staging", "production")]
    return frozenset(one.run_id for one in found if one)


def remade(desk: ReleaseBench, versions: int = 1) -> None:
    desk.tracking.client.delete_registered_model(NAME)
    for _ in range(versions):
        desk.version()


def no_cluster() -> Any:
    raise Unavailable("the cluster is not asked here", found="nothing", hint="ask it elsewhere")


def test_status_and_trace_name_the_other_version(desk: ReleaseBench) -> None:
    desk.version()
    desk.release(1)
    remade(desk)
    with desk.acting() as context:
        places = [
            Place(each, None, context.clone.release(NAME, each), None, None) for each in ("staging", "production")
        ]
        found = compare(NAME, places, (), tuple(desk.tracking.versions(NAME)))
        way = trace(Sides(context, no_cluster, None), f"{NAME}/1")
    said = [one for one in found if "deleted and made again" in one.said]
    assert [one.environment for one in said] == ["staging", "production"]
    assert all("slipway stage" in one.hint for one in said)
    assert way.releases == ()
    assert [one.partition(" ")[0] for one in way.others] == ["staging", "production"]


def test_acts_name_it_and_go_on_once_the_loss_is_acknowledged(desk: ReleaseBench) -> None:
    for _ in range(2):
        desk.version()
    desk.release(2)
    lost = runs(desk)
    remade(desk)
    with desk.acting() as context, pytest.raises(Refused, match="deleted and made again") as caught:
        stage(context, NAME, "1")
    assert caught.value.hint is not None
    assert f"SLIPWAY_RUNS_LOST={','.join(sorted(lost))}" in caught.value.hint
    with desk.acting(lost_runs=lost) as context:
        assert stage(context, NAME, "1").commit
        done = promote(context, NAME, "1")  # lower than production's 2, and not older
        assert done.created
        assert done.verdict is not None
        order = next(one.reason for one in done.verdict.rules if one.name == "not_older")
        assert "of a run that MLflow has no version of" in order


def test_a_request_for_a_version_that_is_another_by_now_is_not_approved(desk: ReleaseBench) -> None:
    desk.version()
    with desk.acting() as context:
        stage(context, NAME, "1")
        promote(context, NAME, "1")
    lost = runs(desk)
    remade(desk)
    with desk.acting(ADA, lost_runs=lost) as context, pytest.raises(Refused, match="another version") as caught:
        approve(context, NAME)
    assert caught.value.hint is not None
    assert "slipway reject" in caught.value.hint


def test_a_rollback_neither_rejects_nor_forgets_the_version_that_took_the_number(desk: ReleaseBench) -> None:
    for _ in range(2):
        desk.version()
    desk.release(1)
    desk.release(2)
    lost = runs(desk)
    remade(desk, 2)
    with desk.acting(lost_runs=lost) as context:
        done = rollback(context, NAME, reason="slow")
    assert (done.release.version, done.rejected, done.untagged) == (1, None, 2)
    assert "rejected" not in desk.tags(2)
    with desk.acting(lost_runs=lost | runs(desk)) as context:
        stage(context, NAME, "2")
        assert promote(context, NAME, "2").created  # what production was rolled back from was another 2

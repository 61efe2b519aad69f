"""What is done to a Rollout without Slipway is on record after the next pass, once, under nobody's name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from release.actions.steer import steer
from release.promoter.reconcile import reconcile
from tests.integration.promoter.conftest import PromoterSite

pytestmark = pytest.mark.long  # seconds each

ABORTED_AT = "2026-11-27T10:00:00Z"


@pytest.fixture
def paused(site: PromoterSite) -> PromoterSite:
    """A site whose production has version 2 active and waits with version 4."""
    site.put("production", 2)
    site.put("production", 4)
    old, new = (site.release(number).digest for number in (2, 4))
    site.stand.rollout("production", new, 4, active=old)
    strategy = {"blueGreen": {"autoPromotionEnabled": False}}
    site.stand.objects["rollouts/tiny-production"]["spec"]["strategy"] = strategy
    site.stand.pause("production")
    return site


def passes(site: PromoterSite) -> list[tuple[str, str]]:
    """Make two passes; return the actions on the Rollout that are on record, oldest first, with their actors."""
    for _ in range(2):
        with site.context() as context:
            (done,) = reconcile(context, site.cluster)
        assert done.failed is None, done.failed
    return [(one.action, one.actor) for one in site.audit.entries() if one.action in ("abort", "retry", "resume")]


def abort(site: PromoterSite) -> None:
    site.stand.status("production").update(phase="Degraded", message="RolloutAborted", abort=True, abortedAt=ABORTED_AT)


def goes_on(site: PromoterSite) -> None:
    status = site.stand.status("production")
    for key in ("abort", "abortedAt"):
        status.pop(key)
    site.stand.pause("production")


def switch(site: PromoterSite) -> None:
    status = site.stand.status("production")
    status.update(phase="Healthy", message="", pauseConditions=[])
    status["blueGreen"]["activeSelector"] = "b"


NOBODY = "somebody on the cluster, which keeps no names"


def test_a_wait_is_nobodys_act(paused: PromoterSite) -> None:
    assert passes(paused) == []


def test_an_abort_a_retry_and_a_promotion_by_kubectl_are_recorded_once_each(paused: PromoterSite) -> None:
    abort(paused)
    assert passes(paused) == [("abort", NOBODY)]
    entry = next(one for one in paused.audit.entries() if one.action == "abort")
    assert entry.when.startswith("2026-11-27T10:00:00")
    assert (entry.version, entry.target) == (4, paused.release(4).digest)
    assert "kubectl argo rollouts abort" in entry.reason
    goes_on(paused)
    assert passes(paused)[1:] == [("retry", NOBODY)]
    abort(paused)
    assert passes(paused)[2:] == [("abort", NOBODY)]
    goes_on(paused)
    switch(paused)
    assert passes(paused)[3:] == [("retry", NOBODY), ("resume", NOBODY)]


@pytest.mark.parametrize(("word", "act"), [("abort", abort), ("resume", switch)])
def test_what_slipway_did_is_not_recorded_again(
    paused: PromoterSite, word: str, act: Callable[[PromoterSite], None]
) -> None:
    with paused.context() as context:
        steer(context, paused.cluster, word, "tiny", "production")
        mine = str(context.actor)
    act(paused)
    assert passes(paused) == [(word, mine)]


def test_an_analysis_that_failed_is_no_persons_abort(paused: PromoterSite) -> None:
    new, old = (paused.release(number).digest for number in (4, 2))
    paused.stand.rollout("production", new, 4, active=old, failed="latency")
    assert passes(paused) == []


def test_a_switch_that_waits_for_nobody_is_no_act(paused: PromoterSite) -> None:
    del paused.stand.objects["rollouts/tiny-production"]["spec"]["strategy"]
    switch(paused)
    assert passes(paused) == []


def test_a_way_back_waits_for_nobody(site: PromoterSite) -> None:
    site.put("production", 4)
    assert passes(site) == []
    site.put("production", 2)
    site.stand.objects["rollouts/tiny-production"]["spec"]["strategy"] = {"blueGreen": {"autoPromotionEnabled": False}}
    assert passes(site) == []

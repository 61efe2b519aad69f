"""What is active is judged by its own analysis because somebody asks, and the outcome is recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from release.actions.smoke import smoke
from release.cluster.api import open_cluster
from release.cluster.rollouts import Analysis
from slipway.errors import BadInput, Refused
from tests.integration.promoter.conftest import PromoterSite

NAMESPACE = "tiny-staging"
TEMPLATE = {"metadata": {"name": "smoke", "namespace": NAMESPACE}, "spec": {"args": [], "metrics": [{"name": "smoke"}]}}


@pytest.fixture
def judged(site: PromoterSite) -> PromoterSite:
    """A release of version 2 in staging, with an analysis."""
    site.put("staging", 2)
    spec = site.stand.objects[f"rollouts/{NAMESPACE}"]["spec"]
    spec["strategy"] = {"blueGreen": {"prePromotionAnalysis": {"templates": [{"templateName": "smoke"}]}}}
    site.stand.objects[f"analysistemplates/{NAMESPACE}/smoke"] = TEMPLATE
    return site


def ask(site: PromoterSite) -> Analysis:
    with site.context() as context:
        return smoke(context, lambda: open_cluster(str(site.kubeconfig)), "tiny", "staging")


def said(site: PromoterSite) -> list[str]:
    return [one.reason for one in site.audit.entries() if one.action == "smoke"]


def test_what_passes_is_recorded_and_its_run_goes_with_the_revision(judged: PromoterSite) -> None:
    assert ask(judged).phase == "Successful"
    assert said(judged) == ["in staging: Successful"]
    (made,) = (one for key, one in judged.stand.objects.items() if key.startswith("analysisruns/"))
    assert made["metadata"]["ownerReferences"][0] == {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a", "uid": f"{NAMESPACE}-a",
    }  # fmt: skip
    assert made["spec"]["metrics"] == [{"name": "smoke"}]


def test_what_does_not_pass_is_refused_and_recorded(judged: PromoterSite) -> None:
    judged.stand.verdict = "Failed"
    with pytest.raises(Refused, match="did not pass"):
        ask(judged)
    assert said(judged) == ["in staging: Failed"]


def without_template(site: PromoterSite) -> None:
    del site.stand.objects[f"analysistemplates/{NAMESPACE}/smoke"]


def without_analysis(site: PromoterSite) -> None:
    del site.stand.objects[f"rollouts/{NAMESPACE}"]["spec"]["strategy"]


def between_two_revisions(site: PromoterSite) -> None:
    site.stand.status("staging")["blueGreen"]["previewSelector"] = "b"


def without_its_replica_set(site: PromoterSite) -> None:
    site.stand.status("staging")["blueGreen"] = {"activeSelector": "c", "previewSelector": "c"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_template, "no AnalysisTemplate smoke"),
        (without_analysis, "names no analysis"),
        (between_two_revisions, "not on one revision"),
        (without_its_replica_set, "does not run version 2"),
    ],
)
def test_what_cannot_be_judged_is_bad_input_and_nothing_is_recorded(
    judged: PromoterSite, spoil: Callable[[PromoterSite], None], message: str
) -> None:
    spoil(judged)
    with pytest.raises(BadInput, match=message):
        ask(judged)
    assert said(judged) == []

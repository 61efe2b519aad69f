"""The way of a release through Git, Argo CD and the Rollout, and the gates that stop a bad one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.site import MODEL, Site

Images = dict[str, Image]


def version_at(site: Site, environment: str, service: str = MODEL) -> dict[str, Any]:
    """Ask a Service which version it serves."""
    status, body = site.ask(environment, "/version", service)
    assert status == 200, body
    content: dict[str, Any] = json.loads(body)
    return content


def serves(site: Site, environment: str, image: Image, service: str = MODEL) -> bool:
    found = version_at(site, environment, service)
    return bool(found["model"]["version"] == image.version and found["image_digest"] == image.digest)


def test_fresh_site_is_healthy_and_empty(site: Site) -> None:
    site.install()
    assert site.rollout("production") == {}
    labels = get("namespace", site.namespace("production"))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_release_passes_analysis_pauses_resumes_and_goes_back(site: Site, built: Images) -> None:
    site.install()
    site.release("staging", built["seven"])
    site.wait_phase("staging", "Healthy", built["seven"])
    site.release("production", built["seven"])
    site.wait_phase("production", "Healthy", built["seven"])
    assert serves(site, "production", built["seven"])

    site.release("production", built["eight"])
    site.wait_phase("production", "Paused", built["eight"])
    assert serves(site, "production", built["seven"])
    assert serves(site, "production", built["eight"], f"{MODEL}-preview")
    runs = get("-n", site.namespace("production"), "analysisrun")["items"]
    assert [run["status"]["phase"] for run in runs] == ["Successful"]

    site.act("production", "promote")
    wait(lambda: serves(site, "production", built["eight"]), 60, "the new version active")
    site.wait_phase("production", "Healthy", built["eight"])

    site.release("production", built["seven"])
    wait(lambda: serves(site, "production", built["seven"]), 60, "the old version active again, without a pause")
    site.wait_phase("production", "Healthy", built["seven"])
    assert len(get("-n", site.namespace("production"), "analysisrun")["items"]) == 1


def test_staging_switches_by_itself_after_analysis(site: Site, built: Images) -> None:
    site.install(["staging"])
    site.release("staging", built["seven"])
    site.wait_phase("staging", "Healthy", built["seven"])
    site.release("staging", built["eight"])
    site.wait_phase("staging", "Healthy", built["eight"])
    assert serves(site, "staging", built["eight"])
    runs = get("-n", site.namespace("staging"), "analysisrun")["items"]
    assert [run["status"]["phase"] for run in runs] == ["Successful"]


@pytest.mark.parametrize("fault", ["swapped", "slow", "crashing"])
def test_bad_model_never_takes_traffic(site: Site, built: Images, fault: str) -> None:
    if fault == "crashing":  # found out by time alone: less of it than in earnest
        path = site.work / "gitops/base/rollout.yaml"
        path.write_text(path.read_text().replace("progressDeadlineSeconds: 300", "progressDeadlineSeconds: 40"))
        site.commit("Wait for less long")
    site.install(["production"])
    site.release("production", built["seven"])
    site.wait_phase("production", "Healthy", built["seven"])
    before = get("-n", site.namespace("production"), "service", MODEL)["spec"]["selector"]

    # "swapped" is a good image that is not the one that was registered.
    lie = {"golden_sha256": "0" * 64} if fault == "swapped" else {}
    site.release("production", built[fault], **lie)
    site.wait_phase("production", "Degraded", built[fault], seconds=150)
    assert get("-n", site.namespace("production"), "service", MODEL)["spec"]["selector"] == before
    assert serves(site, "production", built["seven"])
    runs = get("-n", site.namespace("production"), "analysisrun").get("items", [])
    reasons = {"swapped": "golden.json sha256", "slow": "latency"}
    if fault in reasons:
        assert [run["status"]["phase"] for run in runs] == ["Failed"]
        log = kubectl("-n", site.namespace("production"), "logs", "-l", "app.kubernetes.io/component=smoke")
        print(log)
        assert [check["check"] for check in json.loads(log)["failed"]] == [reasons[fault]]
    else:
        assert runs == []

    site.release("production", built["seven"])
    site.wait_phase("production", "Healthy", built["seven"])
    assert get("-n", site.namespace("production"), "service", MODEL)["spec"]["selector"] == before

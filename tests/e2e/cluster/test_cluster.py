"""Rollouts of a real cluster, as `release.cluster.api` reads and steers them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from release.cluster.api import Cluster, open_cluster
from release.cluster.health import health
from release.cluster.rollouts import Rollout
from slipway.errors import BadInput
from tests.fixtures import images

SEVEN, EIGHT = ("sha256:" + digit * 64 for digit in "78")
DEADLINE_SECONDS = 120


def kubectl(*words: str, document: str = "") -> str:
    ran = subprocess.run(["kubectl", *words], input=document, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def manifests(image: str, digest: str, version: str, analysis: bool = False) -> str:
    said = {"slipway/model": "tiny", "slipway/model-version": version, "slipway/image-digest": digest}
    colours = {"activeService": "tiny", "previewService": "tiny-preview", "autoPromotionEnabled": False}
    if analysis:
        colours |= {"prePromotionAnalysis": {"templates": [{"templateName": "smoke"}]}}
    # Nobody listens there, which is an error of the analysis.
    web = {"web": {"url": "http://127.0.0.1:1/", "jsonPath": "{$.x}", "timeoutSeconds": 1}}
    metric = {"name": "golden", "consecutiveErrorLimit": 0, "count": 1, "provider": web}
    pod = {"containers": [{"name": "idle", "image": image, "command": ["sleep", "infinity"]}],
           "terminationGracePeriodSeconds": 0}  # fmt: skip
    selector = {"app": "tiny"}
    ports = [{"port": 80}]
    items = [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
         "spec": {"selector": selector, "ports": ports}}
        for name in ("tiny", "tiny-preview")
    ] + [
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "smoke"},
         "spec": {"metrics": [metric]}},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "tiny", "annotations": said},
         "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "strategy": {"blueGreen": colours},
                  "template": {"metadata": {"labels": selector, "annotations": said}, "spec": pod}}},
    ]  # fmt: skip
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.fixture
def cluster() -> Cluster:
    return open_cluster(os.environ["KUBECONFIG"])


Apply = Callable[..., None]


@pytest.fixture(scope="module")
def image(registry: str) -> str:
    with images.alone():
        return images.push_base(registry)


@pytest.fixture
def apply(image: str, namespace: str) -> Apply:
    def act(digest: str, version: str, analysis: bool = False) -> None:
        kubectl("-n", namespace, "apply", "-f", "-", document=manifests(image, digest, version, analysis))

    return act


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"promoter-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def until(cluster: Cluster, namespace: str, there: Callable[[Rollout], bool]) -> Rollout:
    deadline = time.monotonic() + DEADLINE_SECONDS
    found = None
    while time.monotonic() < deadline:
        found = cluster.rollout(namespace, "tiny")
        if found is not None and there(found):
            return found
        time.sleep(0.5)
    raise AssertionError(f"{found}\n" + kubectl("-n", namespace, "get", "rollouts,rs,pods,analysisruns", "-o", "wide"))


def test_a_rollout_is_followed_from_preview_to_switch_and_the_bake_time_counts(
    cluster: Cluster, namespace: str, apply: Apply
) -> None:
    apply(SEVEN, "7")
    first = until(cluster, namespace, lambda one: one.phase == "Healthy")
    assert (first.digest, first.active, first.active_version) == (SEVEN, SEVEN, "7")
    assert health(first, SEVEN, "here", datetime.now(UTC)).seconds is not None
    assert health(first, EIGHT, "here", datetime.now(UTC)).seconds is None
    with pytest.raises(BadInput, match="nothing to resume"):
        cluster.resume(namespace, "tiny")

    apply(EIGHT, "8")
    waiting = until(cluster, namespace, lambda one: one.phase == "Paused")
    assert (waiting.digest, waiting.active, waiting.preview) == (EIGHT, SEVEN, EIGHT)
    assert health(waiting, SEVEN, "here", datetime.now(UTC)).seconds is None
    cluster.resume(namespace, "tiny")
    done = until(cluster, namespace, lambda one: one.phase == "Healthy")
    assert done.active == EIGHT
    seconds = done.healthy_seconds(EIGHT, datetime.now(UTC))
    assert seconds is not None
    assert seconds < 60
    assert "8" in {one.version for one in cluster.pods([namespace]) if one.ready}


def test_an_abort_leaves_the_active_version_and_is_no_failure_of_the_version(
    cluster: Cluster, namespace: str, apply: Apply
) -> None:
    apply(SEVEN, "7")
    until(cluster, namespace, lambda one: one.phase == "Healthy")
    with pytest.raises(BadInput, match="nothing to abort"):
        cluster.abort(namespace, "tiny")
    apply(EIGHT, "8")
    until(cluster, namespace, lambda one: one.phase == "Paused")
    cluster.abort(namespace, "tiny")
    aborted = until(cluster, namespace, lambda one: one.phase == "Degraded")
    assert aborted.active == SEVEN
    assert aborted.aborted
    assert aborted.failed is None


def test_a_failed_analysis_is_named_with_what_it_measured(cluster: Cluster, namespace: str, apply: Apply) -> None:
    apply(SEVEN, "7")
    until(cluster, namespace, lambda one: one.phase == "Healthy")
    apply(EIGHT, "8", analysis=True)
    failed = until(cluster, namespace, lambda one: one.failed is not None)
    assert failed.active == SEVEN
    assert failed.digest == EIGHT
    assert "golden" in cluster.explain(failed)
    assert "connection refused" in cluster.explain(failed)

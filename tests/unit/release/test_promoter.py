from __future__ import annotations

import asyncio
import json
import re
import time
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.tracking import Version
from release.cluster.analysis import run_of
from release.cluster.health import health
from release.cluster.rollouts import ArgoApplication, Rollout, phase_of, rollout
from release.promoter.delivery import Deliveries, sign
from release.promoter.outcome import PassOutcome
from release.promoter.reconcile import PassResult
from release.promoter.webhook import Loop, application
from release.release_file import Release
from release.views.differences import Place, compare
from slipway.errors import BadInput

SECRET = "a-secret-of-both-sides"
SEVEN, EIGHT = ("sha256:" + digit * 64 for digit in "78")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def recorded(**status: Any) -> dict[str, Any]:
    said = {"slipway/image-digest": SEVEN, "slipway/model-version": "7"}
    return {
        "metadata": {"name": "tiny", "namespace": "tiny-staging", "uid": "u", "generation": 3},
        "spec": {"template": {"metadata": {"annotations": said}}},
        "status": {"observedGeneration": "3", "phase": "Healthy", "stableRS": "a", "currentPodHash": "a"} | status,
    }


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ({}, "Healthy"),
        ({"observedGeneration": "2"}, "Progressing"),
        ({"controllerPause": True}, "Progressing"),
        ({"controllerPause": True, "pauseConditions": [{"reason": "BlueGreenPause"}], "phase": "Paused"}, "Paused"),
        ({"phase": ""}, "Progressing"),
    ],
)
def test_a_phase_is_believed_only_where_the_controller_has_looked_since(status: dict[str, Any], phase: str) -> None:
    assert phase_of(recorded(**status))[0] == phase


def first_revision(revision: str = "1") -> dict[str, Any]:
    said = {"metadata": {"annotations": {"slipway/image-digest": SEVEN, "slipway/model-version": "7"}}}
    labels, owners = {"rollouts-pod-template-hash": "a"}, [{"uid": "u"}]
    annotations = {"rollout.argoproj.io/revision": revision}
    meta = {"namespace": "tiny-staging", "labels": labels, "ownerReferences": owners, "annotations": annotations}
    return {"metadata": meta, "spec": {"template": said}}


def test_a_first_revision_is_healthy_only_once_an_analysis_has_passed() -> None:
    since = {"conditions": [{"type": "Healthy", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}]}
    found = recorded(**since)
    found["spec"]["strategy"] = {"blueGreen": {"prePromotionAnalysis": {"templates": [{"templateName": "smoke"}]}}}
    labels = {"rollouts-pod-template-hash": "a"}

    def asked(phase: str | None, revision: str = "1") -> float | None:
        runs = [{"metadata": {"labels": labels}, "status": {"phase": phase}}] if phase else []
        return health(rollout(found, [first_revision(revision)], runs), SEVEN, "here", NOW).seconds

    assert asked(None) is None
    assert asked("Failed") is None
    assert asked("Successful") == 3600
    assert asked(None, revision="2") == 3600, "the controller has judged it"
    del found["spec"]["strategy"]
    assert asked(None) == 3600, "nothing that could judge it"


def test_an_analysis_that_is_asked_for_is_the_rollouts_own() -> None:
    ask = [{"name": "digest", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['slipway/image-digest']"}}}]
    analysis = {"templates": [{"templateName": "smoke"}], "args": ask}
    found = recorded()
    found["metadata"]["annotations"] = {"slipway/image-digest": SEVEN}
    found["spec"]["strategy"] = {"blueGreen": {"prePromotionAnalysis": analysis}}
    template = {"spec": {"args": [{"name": "digest"}, {"name": "url", "value": "http://preview"}], "metrics": [{}]}}
    owner = {"name": "tiny-a", "uid": "r", "labels": {"rollouts-pod-template-hash": "a"}}
    made = run_of(found, [template], owner)
    assert made["spec"]["args"] == [{"name": "digest", "value": SEVEN}, {"name": "url", "value": "http://preview"}]
    assert made["metadata"]["labels"] == {"rollouts-pod-template-hash": "a"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "r"
    found["metadata"]["annotations"] = {}
    with pytest.raises(BadInput, match="no digest"):
        run_of(found, [template], owner)


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        ({"abort": True}, False),
        ({"abort": True, "blueGreen": {"prePromotionAnalysisRunStatus": {"name": "r", "status": "Failed"}}}, True),
        ({"abort": True, "blueGreen": {"prePromotionAnalysisRunStatus": {"name": "r", "status": "Running"}}}, False),
        ({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}, True),
        ({"conditions": [{"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec"}]}, False),
    ],
)
def test_only_what_the_controller_gave_up_by_itself_has_failed(status: dict[str, Any], failed: bool) -> None:
    assert (rollout(recorded(phase="Degraded", **status), []).failed is not None) is failed


def running(digest: str = SEVEN, **named: Any) -> Rollout:
    since = NOW - timedelta(minutes=5)
    facts: dict[str, Any] = {"phase": "Healthy", "message": "", "digest": digest, "version": "7", "active": digest}
    facts |= {"active_version": "7", "preview": None, "aborted": False, "failed": None, "analysis": None}
    facts |= {"healthy_since": since}
    return Rollout(namespace="tiny-production", name="tiny", **(facts | named))


def test_the_bake_time_counts_on_the_digest_that_answers() -> None:
    assert running().healthy_seconds(SEVEN, NOW) == 300
    assert running().healthy_seconds(EIGHT, NOW) is None
    assert running(active=EIGHT).healthy_seconds(SEVEN, NOW) is None
    assert running(phase="Paused").healthy_seconds(SEVEN, NOW) is None


def release(version: int, digest: str) -> Release:
    return Release("tiny", version, "0" * 32, "a" * 40, "b" * 32, "c" * 64, "d" * 64, "host/tiny", digest)


def said(found: Rollout | None, champion: int, released: Release | None = None) -> list[str]:
    seven = release(7, SEVEN)
    staging = Place("staging", "tiny-staging", seven, running(), None)
    place = Place("production", "tiny-production", released or seven, found, None)
    versions = tuple(
        Version("tiny", number, "0" * 32, 0, {"image_digest": digest}, ("champion",) if number == champion else ())
        for number, digest in ((7, SEVEN), (8, EIGHT))
    )
    return [one.said for one in compare("tiny", [staging, place], (), versions)]


def test_what_agrees_is_not_mentioned_and_what_differs_is_said_in_words() -> None:
    assert said(running(), 7) == []
    assert "champion is version 8, production releases version 7" in said(running(), 8)[0]
    assert "no Rollout" in said(None, 7)[0]
    eight = release(8, EIGHT)
    assert "Argo CD still has version 7" in said(running(), 8, eight)[0]
    waits = running(EIGHT, phase="Paused", active=SEVEN)
    assert "waits for an operator" in said(waits, 8, eight)[0]
    assert "failed in production: too slow" in said(running(EIGHT, phase="Degraded", failed="too slow"), 8, eight)[0]
    assert "aborted by hand" in said(running(EIGHT, phase="Degraded", aborted=True, active=SEVEN), 8, eight)[0]


def test_a_release_that_no_application_deploys_is_named_with_what_makes_applications() -> None:
    there = ArgoApplication("tiny-production", "tiny-production", "Synced", "Healthy", None)
    place = Place("production", "tiny-production", release(7, SEVEN), None, there)
    staging = replace(place, environment="staging", namespace="tiny-staging", application=None)
    missing, late = compare("tiny", [staging, place], (), ())[:3:2]
    assert "no Application deploys to tiny-staging" in missing.said
    assert missing.hint == "kubectl -n argocd describe applicationset slipway-staging"
    assert "no Application" not in late.said
    assert late.hint == "argocd app get tiny-production"


def body(**data: Any) -> bytes:
    event = {"entity": "model_version_alias", "action": "created"}
    return json.dumps(event | {"data": {"name": "tiny", "alias": "champion", "version": "2"} | data}).encode()


def headers(content: bytes, delivery: str = "one", at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": sign(secret, delivery, stamp, content),
    }


class Client:
    def __init__(self, app: Any) -> None:
        self.transport = httpx.ASGITransport(app)

    def ask(self, method: str, path: str, **named: Any) -> int:
        async def once() -> int:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://promoter") as client:
                return (await client.request(method, path, **named)).status_code

        return asyncio.run(once())

    def text(self, path: str) -> str:
        async def once() -> str:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://promoter") as client:
                return (await client.get(path)).text

        return asyncio.run(once())

    def post(self, content: bytes, headers: dict[str, str]) -> int:
        return self.ask("POST", "/mlflow", content=content, headers=headers)


def test_only_what_is_signed_recent_and_new_wakes_anybody() -> None:
    loop = Loop(lambda _: [], 3600)
    client = Client(application(SECRET, loop))
    assert client.ask("GET", "/livez") == 200
    assert client.ask("GET", "/readyz") == 503
    good, now = body(), time.time()
    refused = [
        {},
        headers(good, secret="another-secret-of-nobody"),
        headers(good, at=now - 310),
        headers(good, at=now + 310),
        headers(good) | {"X-MLflow-Delivery-Id": "two"},
        headers(good) | {"X-MLflow-Timestamp": "NaN"},
        headers(body(version="3")),
    ]
    for one in refused:
        assert client.post(good, one) == 401
    assert client.post(b"x" * 70_000, {}) == 413
    for number, other in enumerate((body(alias="challenger"), body(name="../x"), b"[" * 9000, b"null", b"\xff")):
        assert client.post(other, headers(other, f"n{number}")) == 202
    assert loop.woken == set()
    assert client.post(good, headers(good)) == 202
    assert loop.woken == {"tiny"}
    assert client.post(good, headers(good)) == 409


def test_deliveries_are_forgotten_once_their_timestamp_is_refused_anyway() -> None:
    seen = Deliveries()
    assert seen.take("a", 0)
    assert not seen.take("a", 600)
    assert seen.take("b", 601)
    assert list(seen.seen) == ["b"]


def test_the_last_time_of_each_kind_of_outcome_is_a_metric() -> None:
    done = [PassResult("tiny", (PassOutcome("held", 3, "reverted in Git"),)), PassResult("other", (), "MLflow is away")]
    loop = Loop(lambda _: done, 3600)

    async def passing() -> None:
        task = asyncio.create_task(loop.go())
        while loop.passed is None or not loop.outcomes:
            await asyncio.sleep(0.001)
        await loop.stop()
        await task

    began = time.time()
    asyncio.run(passing())
    shown = Client(application(SECRET, loop)).text("/metrics")
    when = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in shown.splitlines()
        if line.startswith("slipway_promoter_outcome")
    }
    name = "slipway_promoter_outcome_timestamp_seconds"
    assert set(when) == {f'{name}{{kind="held",model="tiny"}}', f'{name}{{kind="failed",model="other"}}'}
    assert all(began <= at <= time.time() for at in when.values())


def test_the_image_of_the_promoter_has_what_asks_a_dvc_remote_on_s3() -> None:
    [line] = [line for line in Path("Makefile").read_text().splitlines() if "-o var/promoter/requirements.txt" in line]
    extras = re.findall(r"--extra (\S+)", line)
    lock = tomllib.loads(Path("uv.lock").read_text())
    [project] = [package for package in lock["package"] if package["name"] == "slipway"]
    brought = {
        (one["name"], *one.get("extra", [])) for extra in extras for one in project["optional-dependencies"][extra]
    }
    assert ("dvc", "s3") in brought

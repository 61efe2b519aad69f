"""The promoter as a pod: from MLflow's webhook to a request in Git and a row in the audit record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from registry.tracking import open_store
from release.cluster.analysis import analyse
from release.cluster.api import open_cluster
from release.promoter.delivery import sign
from tests.e2e.cluster import promoter as pods
from tests.e2e.cluster.promoter import Promoter
from tests.fixtures.door import Door
from tests.fixtures.images import ROOT, Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.mlflow_server import WEBHOOK_SECRET, serving_mlflow
from tests.fixtures.registered import register, uploaded
from tests.fixtures.servers import free_port
from tests.fixtures.site import MODEL, Site, git

Images = dict[str, Image]
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]  # its image alone takes minutes


@pytest.fixture
def promoter(
    site: Site, built: Images, registry: str, open_door: Callable[[str], Door], tmp_path: Path
) -> Iterator[Promoter]:
    """A promoter whose next pass by itself is hours away: what happens, a delivery has caused."""
    image, port = pods.build(registry), free_port()
    site.install(["staging", "production"])
    door = open_door(f"127.0.0.1:{port}").address
    store, log = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "mlflow.log"
    with serving_mlflow(store, str(tmp_path), log, port=port, allowed=door) as mlflow:
        served = open_store(mlflow)
        _, model_id = uploaded(served, MODEL, built["seven"].folder)
        register(served, built["seven"], model_id=model_id)
        site.release("staging", built["seven"])
        site.wait_phase("staging", "Healthy", built["seven"])
        analyse(open_cluster(os.environ["KUBECONFIG"]), site.namespace("staging"), MODEL, 120)
        settings = {
            "SLIPWAY_GITOPS_REMOTE": site.url,
            "SLIPWAY_FORGE": "git",
            "SLIPWAY_ACTOR": "Promoter <promoter@example.com>",
            "SLIPWAY_BAKE_SECONDS": "0",
            "SLIPWAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "MLFLOW_TRACKING_URI": f"http://{door}",
        }
        hours = site.work / "gitops/platform/promoter/deployment.yaml"
        hours.write_text(hours.read_text().replace('--every, "30"', '--every, "36000"'))
        # A registry on this machine's loopback is one on its own loopback to a pod, by a forwarder and a door.
        local = registry.startswith(("127.", "localhost"))
        forward = (open_door(registry).address, int(registry.rpartition(":")[2])) if local else None
        with pods.deployed(site, image, settings, forward) as namespace:
            made = Promoter(site, namespace, mlflow, site.remote)
            try:
                made.ready()
                let_mlflow_call(made, WEBHOOK_SECRET)
                yield made
            finally:
                made.close()
                print(made.log()[-6000:])
                print(kubectl("-n", namespace, "logs", "deploy/promoter", "-c", "registry", "--tail=60", check=False))
                print(kubectl("-n", namespace, "get", "pods,pvc,events", check=False))


def let_mlflow_call(promoter: Promoter, secret: str) -> None:
    words = [sys.executable, "-m", "slipway", "webhook", "--register", f"{promoter.address()}/mlflow"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": promoter.mlflow, "SLIPWAY_WEBHOOK_SECRET": secret}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def rotate_the_secret(promoter: Promoter) -> None:
    """Take the steps of docs/how-to/rotate-keys.md, the webhook's secret."""
    secret, here = "another-secret-that-both-sides-know", ["-n", promoter.namespace]
    kubectl(*here, "patch", "secret", "promoter", "-p", json.dumps({"stringData": {"SLIPWAY_WEBHOOK_SECRET": secret}}))
    kubectl(*here, "rollout", "restart", "deployment", "promoter")
    kubectl(*here, "rollout", "status", "deployment", "promoter", "--timeout=110s")
    promoter.ready()
    let_mlflow_call(promoter, secret)


def requests(site: Site) -> list[str]:
    return git(site.remote, "for-each-ref", "--format=%(refname:short)", "refs/heads/release").split()


def assert_locked_down(promoter: Promoter, site: Site) -> None:
    labels = get("namespace", promoter.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    run = ["-n", promoter.namespace, "exec", "deploy/promoter", "-c", "promoter", "--"]
    assert kubectl(*run, "id", "-u").strip() == "1034"
    assert "Read-only file system" in kubectl(*run, "touch", "/app/slipway/planted", check=False)
    who = f"--as=system:serviceaccount:{promoter.namespace}:promoter"
    for verb, kind, space, answer in (
        ("list", "rollouts.argoproj.io", site.namespace("production"), "yes"),
        ("list", "applications.argoproj.io", "argocd", "yes"),
        ("patch", "rollouts.argoproj.io", site.namespace("production"), "no"),
        ("get", "secrets", site.namespace("production"), "no"),
        ("list", "pods", "kube-system", "no"),
    ):
        assert kubectl("auth", "can-i", verb, kind, "-n", space, who, check=False).startswith(answer), f"{verb} {kind}"


def test_an_alias_becomes_a_request_and_a_record_that_outlive_the_pod(promoter: Promoter, site: Site) -> None:
    assert_locked_down(promoter, site)
    assert requests(site) == []
    client = MlflowClient(promoter.mlflow, promoter.mlflow)  # the registry too: by the server, which calls webhooks

    def moved() -> bool:  # a webhook that was registered a moment ago may be silent for a while
        client.set_registered_model_alias(MODEL, "champion", "7")
        return bool(requests(site))

    wait(moved, 150, "the request of the new champion")
    assert requests(site) == [f"release/{MODEL}/7"]
    assert git(site.remote, "log", "-1", "--format=%an", f"release/{MODEL}/7") == "Promoter"
    wait(lambda: [one["action"] for one in promoter.says("audit", MODEL)["entries"]] == ["promote"], 60, "the record")
    refused = httpx.post(f"{promoter.address()}/mlflow", content=b"{}", headers={"X-MLflow-Delivery-Id": "1"})
    assert refused.status_code == 401

    head = promoter.says("audit", "--verify")["head"]
    kubectl("-n", promoter.namespace, "delete", "pod", "-l", "app.kubernetes.io/name=promoter", "--wait=true")
    promoter.ready()
    assert promoter.says("audit", "--verify", "--head", head)["head"] == head
    assert requests(site) == [f"release/{MODEL}/7"], "the same request, once"

    rotate_the_secret(promoter)
    stamp, body = str(int(time.time())), b"{}"
    headers = {"X-MLflow-Delivery-Id": "2", "X-MLflow-Timestamp": stamp}
    headers["X-MLflow-Signature"] = sign(WEBHOOK_SECRET, "2", stamp, body)
    assert httpx.post(f"{promoter.address()}/mlflow", content=body, headers=headers).status_code == 401

    def looked() -> bool:
        client.set_registered_model_alias(MODEL, "champion", "7")
        return f"looking at {MODEL}" in promoter.log()

    wait(looked, 150, "a delivery signed with the new secret")

    # What the branch was is remembered on the volume, so a rewritten history is refused after a restart too.
    assert promoter.metric("slipway_promoter_refused") == 0
    git(site.remote, "config", "receive.denyNonFastForwards", "false")
    git(site.work, "commit", "--quiet", "--amend", "--message", "Another past")
    git(site.work, "push", "--quiet", "--force", "origin", "HEAD:main")
    kubectl("-n", promoter.namespace, "delete", "pod", "-l", "app.kubernetes.io/name=promoter", "--wait=true")
    wait(lambda: promoter.metric("slipway_promoter_refused") == 1, 180, "the rewritten history refused")
    assert "was rewritten" in promoter.log()

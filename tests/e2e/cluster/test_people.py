"""What people are told, and what a freeze holds: the parts of gitops/argocd that a team switches on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from registry.tracking import open_store
from tests.e2e.cluster.test_release import serves
from tests.fixtures.door import Door
from tests.fixtures.images import ROOT, Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.listening import listening
from tests.fixtures.registered import register
from tests.fixtures.servers import free_port
from tests.fixtures.site import MODEL, Site, wished

Images = dict[str, Image]


def status(site: Site, store: str) -> list[str]:
    """What `slipway status` says that differs."""
    settings = {"MLFLOW_TRACKING_URI": store, "SLIPWAY_GITOPS_REMOTE": str(site.remote), "SLIPWAY_ACTOR": "A <a@b.c>"}
    command = [sys.executable, "-W", "ignore", "-m", "slipway", "status", MODEL, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings, cwd=ROOT)
    assert done.returncode in (0, 4), done.stderr
    return [one["said"] for one in json.loads(done.stdout)[0]["differences"]]


def test_a_freeze_holds_production_until_an_operator_syncs(site: Site, built: Images, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for name in ("seven", "eight"):
        register(open_store(store), built[name])
    site.install(["production"])
    site.release("production", built["seven"])
    site.wait_phase("production", "Healthy", built["seven"])

    argocd = site.work / "gitops/argocd"
    freeze = argocd / "freeze/kustomization.yaml"
    friday = 'schedule: "0 15 * * 5", duration: 65h'
    assert friday in freeze.read_text()
    freeze.write_text(freeze.read_text().replace(friday, 'schedule: "* * * * *", duration: 1h'))
    top = argocd / "kustomization.yaml"
    top.write_text(top.read_text().replace("components: [models]", "components: [models, freeze]"))
    kubectl("apply", "-k", str(argocd))

    commit = site.release("production", built["eight"])
    wait(lambda: site.application("production")["status"]["sync"].get("revision") == commit, 60, "the commit seen")
    ends = time.monotonic() + 15  # without the freeze it is applied within seconds
    while time.monotonic() < ends:
        assert wished(site.rollout("production")) == built["seven"].digest
        time.sleep(1)
    said = [one for one in status(site, store) if "Argo CD still has version 7" in one]
    assert said, "status says that it is held"
    assert "OutOfSync; its project's sync windows: deny from * * * * * for 1h" in said[0]

    by_hand = {"operation": {"initiatedBy": {"username": "bob"}, "sync": {"revision": commit}}}
    kubectl("-n", "argocd", "patch", "application", site.namespace("production"), "--type=merge",
            "-p", json.dumps(by_hand))  # fmt: skip
    site.wait_phase("production", "Paused", built["eight"])
    assert serves(site, "production", built["seven"])


@dataclass
class Receiver:
    """A chat's webhook: keeps what it is told."""

    url: str = ""
    told: list[str] = field(default_factory=list)


@pytest.fixture
def receiver(open_door: Callable[[str], Door]) -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.told.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with listening(Handler) as url:
        made.url = f"http://{open_door(url.removeprefix('http://')).address}"
        yield made


@pytest.fixture
def notifications(receiver: Receiver, tmp_path: Path) -> Iterator[None]:
    """The address in the Secret, and the controller: Argo CD's own, as a process where no pod runs it."""
    name = ["-n", "argocd", "secret", "argocd-notifications-secret"]
    before = get(*name)
    if not before:
        kubectl("-n", "argocd", "create", "secret", "generic", "argocd-notifications-secret")
    address = {"stringData": {"team-url": f"{receiver.url}/"}}
    kubectl("-n", "argocd", "patch", "secret", "argocd-notifications-secret", "--type=merge", "-p", json.dumps(address))
    process = None
    if not get("-n", "argocd", "deployment", "argocd-notifications-controller"):
        program = shutil.which("argocd-notifications")
        assert program, "Argo CD's notifications controller neither runs in the cluster nor is on PATH"
        words = [program, "--kubeconfig", os.environ["KUBECONFIG"], "-n", "argocd", "--metrics-port", str(free_port())]
        with (tmp_path / "notifications.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)
    yield
    if process:
        process.terminate()
        process.wait(10)
        print((tmp_path / "notifications.log").read_text()[-3000:])
    url = (before or {}).get("data", {}).get("team-url")
    undo = {"data": {"team-url": url}}
    kubectl("-n", "argocd", "patch", "secret", "argocd-notifications-secret", "--type=merge", "-p", json.dumps(undo))


@pytest.mark.alone  # the settings are of all of Argo CD
def test_what_others_have_in_argo_cds_notifications_stays(site: Site) -> None:
    theirs = {
        "subscriptions": "- recipients: [them]\n  triggers: [theirs]\n",
        "service.webhook.team": "url: http://them\n",
    }
    name = ["-n", "argocd", "configmap", "argocd-notifications-cm"]
    kubectl("apply", "-k", str(site.work / "gitops/argocd"))
    kubectl("-n", "argocd", "patch", *name[2:], "--type=merge", "-p", json.dumps({"data": theirs}))
    try:
        kubectl("apply", "-k", str(site.work / "gitops/argocd"))
        data = get(*name)["data"]
        assert {key: data[key] for key in theirs} == theirs
        assert "trigger.slipway-waits" in data
    finally:
        undo = {"data": dict.fromkeys(theirs)}
        kubectl("-n", "argocd", "patch", *name[2:], "--type=merge", "-p", json.dumps(undo))


@pytest.mark.alone  # the settings are of all of Argo CD
@pytest.mark.usefixtures("notifications")
def test_people_are_told_of_what_waits_and_of_what_cannot_be_read(
    production: Site, built: Images, receiver: Receiver
) -> None:
    name = production.namespace("production")

    def told(words: str) -> bool:
        return any(one.startswith(f"{name}: ") and words in one for one in receiver.told)

    # An Application is Progressing until a controller gives its Ingress an address: here, the test does.
    address = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}})
    kubectl("-n", name, "patch", "ingress", MODEL, "--subresource=status", "--type=merge", "-p", address)
    commit = production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    wait(lambda: told(f"health Suspended, at {commit}"), 90, "the message that production waits")
    assert not told(f"health Degraded, at {commit}"), "nobody is alarmed by a release that goes well"
    (production.overlay("production") / "kustomization.yaml").write_text("kind: Nothing\n")
    production.commit("Break the overlay")
    production.refresh("production")
    wait(lambda: told("sync Unknown"), 90, "the message that the manifests cannot be read")

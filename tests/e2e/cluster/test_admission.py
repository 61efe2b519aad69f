"""What holds on the cluster after Git, policy and project have let something through: the Services' selectors."""

from __future__ import annotations

import json

from tests.e2e.cluster.test_release import serves
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl
from tests.fixtures.site import MODEL, Site

Images = dict[str, Image]
HASH = "rollouts-pod-template-hash"


def selector(site: Site) -> dict[str, str]:
    found: dict[str, str] = get("-n", site.namespace("production"), "service", MODEL)["spec"]["selector"]
    return found


def test_the_active_service_cannot_be_taken_away_in_a_rollout(production: Site, built: Images) -> None:
    space = ["-n", production.namespace("production")]
    production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    before = selector(production)

    assert "keeps here which revision is active" in kubectl(*space, "delete", "service", MODEL, check=False)
    gone = json.dumps([{"op": "remove", "path": f"/spec/selector/{HASH}"}])
    assert "which revision is active" in kubectl(
        *space, "patch", "service", MODEL, "--type=json", "-p", gone, check=False
    )
    ports = [{"name": "http", "port": 80}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": MODEL},
               "spec": {"selector": {"app.kubernetes.io/name": MODEL}, "ports": ports}}  # fmt: skip
    assert "which revision is active" in kubectl(
        *space, "replace", "--force", "-f", "-", stdin=json.dumps(service), check=False
    )
    assert selector(production) == before
    assert serves(production, "production", built["seven"])
    assert production.rollout("production")["status"]["phase"] == "Paused"

    # The twins: a change that leaves the selector alone, the controller's own switch, and a Service that is retired.
    kubectl(*space, "label", "service", MODEL, "team=flights")
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    assert selector(production)[HASH] != before[HASH]
    kubectl(*space, "annotate", "service", MODEL, "slipway/retired=true")
    kubectl(*space, "delete", "service", MODEL)

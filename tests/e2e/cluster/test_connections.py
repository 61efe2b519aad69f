"""Connections that are kept alive follow the Service through switch, rollback and abort, directly and by an ingress."""

from __future__ import annotations

import json
import os
import time

from tests.fixtures.caller import Callers
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.site import MODEL, Site

Images = dict[str, Image]
SECONDS = 10.0  # until a connection that was kept has left a version that is no longer active


def test_no_kept_connection_stays_with_a_version_that_is_no_longer_active(production: Site, built: Images) -> None:
    assert "INGRESS" in os.environ, "INGRESS is not set: the ingress controller, as pods call it"
    host = f"{production.name}.test"
    _expose(production, host)
    callers = Callers(
        production,
        "production",
        built["seven"],
        [("service", f"http://{MODEL}", ""), ("preview", f"http://{MODEL}-preview", ""),
         ("ingress", f"http://{os.environ['INGRESS']}", host)],
    )  # fmt: skip
    active = ("service", "ingress")

    production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    production.act("production", "promote")
    _switched(production, callers, "8", active)
    production.wait_phase("production", "Healthy", built["eight"])

    production.release("production", built["seven"])
    _switched(production, callers, "7", (*active, "preview"))
    production.wait_phase("production", "Healthy", built["seven"])
    pods = get("-n", production.namespace("production"), "pod", "-l", f"app.kubernetes.io/name={MODEL}")["items"]
    assert [pod for pod in pods if "slipway/role" not in pod["metadata"]["labels"]], "the pods of 8 are to be there yet"

    production.release("production", built["nine"])
    production.wait_phase("production", "Paused", built["nine"])
    production.act("production", "abort")
    production.wait_phase("production", "Degraded", built["nine"])
    _only(callers, "7", active)
    assert not [one for one in callers.heard() if one.error]


def _expose(site: Site, host: str) -> None:
    backend = {"service": {"name": MODEL, "port": {"name": "http"}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": get("ingressclass")["items"][0]["metadata"]["name"], "rules": [rule]}
    meta = {"name": "test"}
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}
    kubectl("-n", site.namespace("production"), "apply", "-f", "-", stdin=json.dumps(made))


def _switched(site: Site, callers: Callers, version: str, names: tuple[str, ...]) -> None:
    """Wait until the Service's selector is that of the version's pods, then hold its connections to the limit."""

    def points() -> bool:
        selector = get("-n", site.namespace("production"), "service", MODEL)["spec"]["selector"]
        words = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = get("-n", site.namespace("production"), "pod", "-l", words)["items"]
        return {pod["metadata"]["annotations"]["slipway/model-version"] for pod in pods} == {version}

    wait(points, 60, f"the Service points at version {version}")
    _only(callers, version, names)


def _only(callers: Callers, version: str, names: tuple[str, ...]) -> None:
    """Fail where a connection is answered by another version later than the limit from now."""
    began = time.time()
    lines = {f"{name} {kind}" for name in names for kind in ("busy", "idle")}

    def rest() -> bool:
        later = [one for one in callers.heard() if one.line in lines and one.at > began + SECONDS]
        others = [one for one in later if one.version != version]
        assert not others, f"{len(others)} of {len(later)} answers are not of version {version}: {others[:5]}"
        return {one.line for one in later} == lines

    wait(rest, SECONDS + 60, f"answers of version {version}")
    print({line: max((round(one.at - began, 2) for one in callers.heard() if one.line == line and one.version != version
                      and not one.error), default=None) for line in lines})  # fmt: skip

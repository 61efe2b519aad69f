"""A node's own parts may be restarted, and the API server may be away: what serves goes on serving."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster.test_faults import RATE, load_on
from tests.e2e.cluster.test_release import serves
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.load import Load
from tests.fixtures.site import Site

pytestmark = pytest.mark.alone
__all__ = ["load_on"]
MANIFEST, ASIDE = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/kube-apiserver.yaml"
READY = 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}'


@contextmanager
def away(part: str) -> Iterator[None]:
    """Kill a part of the node, and start it again where the block ends: a process of the test cluster's, or kind's."""
    stop, start = _commands(part)
    subprocess.run(stop, check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(start, check=True, capture_output=True, timeout=180)
        wait(lambda: kubectl("get", "nodes", "-o", READY, check=False) == "True", 120, f"the node ready after {part}")


def _commands(part: str) -> tuple[list[str], list[str]]:
    if tool := os.environ.get("SLIPWAY_TEST_CLUSTER"):
        return [tool, "kill", part], [tool, "up"]  # all that is not running: controllers end without an API server
    inside = ["docker", "exec", get("nodes")["items"][0]["metadata"]["name"]]
    if part == "kube-apiserver":  # a static pod: the kubelet runs what lies in the folder
        return [*inside, "mv", MANIFEST, ASIDE], [*inside, "mv", ASIDE, MANIFEST]
    return [*inside, "systemctl", "kill", "--signal=KILL", part], [*inside, "systemctl", "start", part]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["kubelet", "containerd", "kube-apiserver"])
def test_no_request_notices_that_a_part_of_the_node_is_away(
    production: Site, built: dict[str, Image], load_on: Callable[..., Load], part: str
) -> None:
    load = load_on(RATE / 4)
    load.wait_sent(50)
    with away(part):  # for more lines of the log than pipes hold: containerd empties them
        load.wait_due(1500)
    load.wait_sent(len(load.results) + 100)
    load.stop()
    assert not load.failed(), load.failed()[:5]
    assert set(load.versions()) == {"7"}
    production.release("production", built["eight"])  # and whoever acts has come back
    production.wait_phase("production", "Paused", built["eight"], seconds=300)  # leases run out, caches fill
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    assert serves(production, "production", built["eight"])

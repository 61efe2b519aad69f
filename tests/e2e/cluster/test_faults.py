"""What a release must survive: load through a switch, pods that end, an abort half way, Argo CD's parts killed."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.cluster.test_release import serves
from tests.fixtures.images import ROOT, Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.load import Load
from tests.fixtures.site import MODEL, Site, git, wished

Images = dict[str, Image]
# 100,000 requests is the promise; fewer, and slower, where a machine is shared.
REQUESTS = int(os.environ.get("SLIPWAY_E2E_REQUESTS", "100000"))
RATE = float(os.environ.get("SLIPWAY_E2E_RATE", "350"))
ROW = json.loads((ROOT / "tests/fixtures/flight-delay/golden.json").read_text())["rows"][0]


@pytest.fixture
def load_on(production: Site) -> Iterator[Callable[..., Load]]:
    running: list[Load] = []

    def start(rate: float = RATE) -> Load:
        running.append(Load(production, "production", [ROW], rate))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def pods(site: Site, role: str = "active") -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/component=serving,slipway/role={role}"
    found: list[dict[str, Any]] = get("-n", site.namespace("production"), "pods", "-l", selector).get("items", [])
    return found


def ready_pods(site: Site) -> int:
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        for pod in pods(site)
    )


def assert_nothing_lost(load: Load, at_least: int) -> None:
    wait(lambda: len(load.results) >= at_least or load.failed(), 600, f"{at_least} requests")
    load.stop()
    failed = load.failed()
    assert not failed, f"{len(failed)} of {len(load.results)}: {failed[:5]}"
    assert len({one.id for one in load.results}) == len(load.results) >= at_least
    assert all("," not in version for version in load.versions()), load.versions()


@pytest.mark.alone  # the load wants a core of its own
@pytest.mark.timeout(900)
def test_switch_and_rollback_under_load_lose_no_request(
    production: Site, built: Images, load_on: Callable[..., Load]
) -> None:
    """100,000 requests through preview, analysis, the switch, the way back, and the drain of every old pod."""
    load = load_on()
    production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    load.wait_sent(REQUESTS // 5)
    assert set(load.versions()) == {"7"}
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    load.wait_sent(REQUESTS // 2)
    production.release("production", built["seven"])
    wait(lambda: serves(production, "production", built["seven"]), 60, "the way back")
    # The pods of both revisions end under the load, not only after it.
    for pod in get("-n", production.namespace("production"), "pods", "-l", "app.kubernetes.io/component=serving")[
        "items"
    ]:
        if not any(pod["metadata"]["name"] == one["metadata"]["name"] for one in pods(production)):
            kubectl("-n", production.namespace("production"), "delete", "pod", pod["metadata"]["name"], "--wait=false")
    assert_nothing_lost(load, REQUESTS)
    print(f"{len(load.results)} requests, {dict(load.versions())}, p99 {percentile(load, 99):.1f} ms")


def percentile(load: Load, rank: float) -> float:
    taken = sorted(one.seconds for one in load.results)
    return taken[min(len(taken) - 1, int(len(taken) * rank / 100))] * 1000


@pytest.mark.alone  # so does this one
def test_pods_that_are_told_to_end_finish_what_they_began(production: Site, load_on: Callable[..., Load]) -> None:
    load = load_on()
    load.wait_sent(500)
    name = pods(production)[0]["metadata"]["name"]
    kubectl("-n", production.namespace("production"), "delete", "pod", name, "--wait=true")
    wait(lambda: ready_pods(production) >= 2, 60, "a pod in its place")
    assert_nothing_lost(load, 4_000)


def test_an_eviction_leaves_one_ready_and_the_second_is_refused(production: Site, load_on: Callable[..., Load]) -> None:
    wait(lambda: get("-n", production.namespace("production"), "pdb", MODEL)["status"].get("disruptionsAllowed") == 1,
         30, "the budget to know its pods")  # fmt: skip
    load = load_on(RATE / 4)
    first, second = (pod["metadata"]["name"] for pod in pods(production)[:2])
    assert "Success" in evict(production, first)
    assert "disruption budget" in evict(production, second)
    assert ready_pods(production) >= 1
    wait(lambda: ready_pods(production) >= 2, 60, "a pod in its place")
    assert_nothing_lost(load, 1_000)


def evict(site: Site, pod: str) -> str:
    namespace = site.namespace("production")
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    return kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction), check=False)


def test_a_rollout_aborted_half_way_is_never_stuck(production: Site, built: Images) -> None:
    production.release("production", built["eight"])
    production.wait_phase("production", "Progressing", built["eight"])
    production.act("production", "abort")
    production.wait_phase("production", "Degraded", built["eight"])
    assert serves(production, "production", built["seven"])
    # Scaled meanwhile: the active revision follows, the aborted one does not come back.
    kubectl("-n", production.namespace("production"), "patch", "hpa", MODEL, "--type=merge",
            "-p", '{"spec":{"minReplicas":3}}')  # fmt: skip
    assert serves(production, "production", built["seven"])
    # Git says what should be: back to seven, then on to nine.
    production.release("production", built["seven"])
    production.wait_phase("production", "Healthy", built["seven"])
    production.release("production", built["nine"])
    production.wait_phase("production", "Paused", built["nine"])
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["nine"])
    assert serves(production, "production", built["nine"])


def test_scaling_in_the_middle_of_a_rollout_ends_healthy(production: Site, built: Images) -> None:
    production.release("production", built["eight"])
    production.wait_phase("production", "Progressing", built["eight"])
    kubectl("-n", production.namespace("production"), "scale", "rollout", MODEL, "--replicas=1")
    production.wait_phase("production", "Paused", built["eight"])
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    wait(lambda: ready_pods(production) >= 2, 60, "the autoscaler's two pods")
    assert serves(production, "production", built["eight"])


def test_an_edit_in_production_is_healed(production: Site, built: Images) -> None:
    namespace = production.namespace("production")
    kubectl("-n", namespace, "patch", "rollout", MODEL, "--type=json", "-p",
            '[{"op":"replace","path":"/spec/template/spec/containers/0/env/0/name","value":"EDITED"}]')  # fmt: skip
    kubectl("-n", namespace, "delete", "pdb", MODEL)

    def healed() -> bool:
        container = production.rollout("production")["spec"]["template"]["spec"]["containers"][0]
        back = container["env"][0]["name"] == "SLIPWAY_IMAGE_DIGEST"
        return back and bool(get("-n", namespace, "pdb", MODEL))

    wait(healed, 60, "the edit healed")
    production.wait_phase("production", "Healthy", built["seven"])
    assert serves(production, "production", built["seven"])


def test_an_emptied_folder_prunes_nothing(production: Site, built: Images) -> None:
    before = served_objects(production)
    overlay = production.overlay("production")

    def folder() -> None:
        shutil.rmtree(overlay)

    def resources() -> None:
        (overlay / "kustomization.yaml").write_text("kind: Kustomization\nresources: []\n")

    def release() -> None:
        fresh = ROOT / "gitops/apps/flight-delay/production/release/kustomization.yaml"
        (overlay / "release/kustomization.yaml").write_text(fresh.read_text())

    for empty in (folder, resources, release):
        empty()
        commit = production.commit(f"Empty the {empty.__name__}")
        production.refresh("production")
        wait(functools.partial(seen, production, commit), 60, f"Argo CD to look at the emptied {empty.__name__}")
        # What must not happen would follow the look within seconds: Argo CD syncs by itself.
        ends = time.monotonic() + 10
        while time.monotonic() < ends:
            assert served_objects(production) == before
            time.sleep(0.5)
        assert serves(production, "production", built["seven"])
        git(production.work, "revert", "--no-edit", "HEAD")
        git(production.work, "push", "--quiet", "origin", "HEAD:main")
        production.refresh("production")
        head = git(production.work, "rev-parse", "HEAD")
        wait(functools.partial(seen, production, head), 60, "Argo CD to look at the folder again")


def test_staging_prunes_what_is_gone_but_not_what_serves(site: Site, built: Images) -> None:
    site.install(["staging"])
    site.release("staging", built["seven"])
    site.wait_phase("staging", "Healthy", built["seven"])
    namespace = site.namespace("staging")
    base = site.work / "gitops/base/kustomization.yaml"
    base.write_text(base.read_text().replace("- disruption.yaml\n", "").replace("- services.yaml\n", ""))
    fresh = ROOT / "gitops/apps/flight-delay/staging/release/kustomization.yaml"
    (site.overlay("staging") / "release/kustomization.yaml").write_text(fresh.read_text())
    site.commit("Take away what serves, and a budget")
    site.refresh("staging")
    wait(lambda: not get("-n", namespace, "pdb", MODEL), 60, "the budget pruned")
    wait(lambda: not get("-n", namespace, "hpa", MODEL), 60, "the autoscaler pruned")
    assert get("-n", namespace, "service", MODEL)
    assert serves(site, "staging", built["seven"])


def served_objects(site: Site) -> set[str]:
    kinds = "rollout,service,ingress,networkpolicy,hpa,pdb,serviceaccount"
    found = get("-n", site.namespace("production"), kinds)["items"]
    return {f"{one['kind']}/{one['metadata']['name']}" for one in found}


def seen(site: Site, commit: str) -> bool:
    """Argo CD compared this commit, or says of the newest that nothing can be made of it."""
    status = site.application("production").get("status", {})
    unreadable = "app path does not exist" in json.dumps(status.get("conditions") or [])
    return bool(status.get("sync", {}).get("revision") == commit and not unreadable) or (
        unreadable and not site.overlay("production").exists()
    )


def test_history_cannot_be_rewritten(production: Site, built: Images) -> None:
    head = production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    git(production.work, "reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(AssertionError, match=r"non-fast-forward|denied|rejected"):
        git(production.work, "push", "--force", "origin", "HEAD:main")
    assert git(production.remote, "rev-parse", "main") == head


def test_a_moved_tag_changes_nothing(production: Site, built: Images) -> None:
    namespace = production.namespace("production")
    source, target = (f"docker://{built[name].name}:{built[name].version}" for name in ("eight", "seven"))
    command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", source, target]
    subprocess.run(command, check=True)
    kubectl("-n", namespace, "delete", "pod", pods(production)[0]["metadata"]["name"])
    wait(lambda: ready_pods(production) >= 2, 60, "a pod in its place")
    running = {status["imageID"].rpartition("@")[2] for pod in pods(production) for status in
               pod["status"]["containerStatuses"]}  # fmt: skip
    assert running == {built["seven"].digest} == {wished(production.rollout("production"))}
    for _ in range(10):
        assert serves(production, "production", built["seven"])


# Many small processes: the kernel kills the largest, which is then the server and none of these.
CROWD = "import os, time\nfor _ in range(14):\n    os.fork() or (bytearray(os.urandom(1)) * (48 << 20), time.sleep(60))"


def test_a_pod_out_of_memory_comes_back_and_its_twin_serves_meanwhile(
    production: Site, load_on: Callable[..., Load]
) -> None:
    namespace = production.namespace("production")
    load = load_on(RATE / 10)
    load.wait_sent(50)
    first, second = (pod["metadata"]["name"] for pod in pods(production)[:2])
    kubectl("-n", namespace, "exec", first, "--", "python3", "-c", CROWD, check=False)

    def killed() -> bool:
        assert ready_pods(production) >= 1
        status = get("-n", namespace, "pod", first)["status"]["containerStatuses"][0]
        return status["restartCount"] == 1 and "OOMKilled" in json.dumps(status)

    wait(killed, 60, "the server out of memory")
    if ready_pods(production) < 2:
        assert "disruption budget" in evict(production, second), "the one that is left may not be evicted"
    wait(lambda: ready_pods(production) >= 2, 90, "the pod back")
    assert get("-n", namespace, "pod", first)["status"]["containerStatuses"][0]["ready"]
    count = len(load.results)
    load.wait_sent(count + 100)
    load.stop()
    failed = load.failed()
    # What was on its way in the killed process is lost; what came after it is not.
    assert len(failed) < 20, failed[:5]
    assert not [one for one in load.results[count:] if one.status != 200]
    print(f"{len(failed)} of {len(load.results)} requests were with the process that was killed")


@pytest.mark.timeout(600)
def test_a_lost_environment_is_made_again_from_git(production: Site, built: Images) -> None:
    """What the API server knew of production is gone, and Git has all of it but secrets."""
    production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    before = served_objects(production)
    began = time.monotonic()
    production.remove()
    kubectl("wait", "--for=delete", "--timeout=120s", f"namespace/{production.namespace('production')}", check=False)
    assert not get("namespace", production.namespace("production"))
    production.install(["production"])
    production.wait_phase("production", "Healthy", built["eight"])
    wait(lambda: ready_pods(production) >= 2, 90, "two ready pods")
    assert serves(production, "production", built["eight"])
    assert served_objects(production) == before
    print(f"back after {time.monotonic() - began:.0f} s, of which the deletion is a part")

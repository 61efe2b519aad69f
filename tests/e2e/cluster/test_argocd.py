"""What Argo CD refuses, and what it comes back from: its own parts killed, its Redis wiped, Git gone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.kustomize import build
from tests.e2e.cluster.test_faults import RATE, ROW
from tests.e2e.cluster.test_release import serves
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.load import Load
from tests.fixtures.site import Site, git, wished

Images = dict[str, Image]
PARTS = ("argocd-repo-server", "argocd-application-controller", "argocd-redis")


def kill(part: str) -> None:
    """Kill a part of Argo CD: as a process of the test cluster, else as a pod."""
    tool = os.environ.get("SLIPWAY_TEST_CLUSTER")
    if tool:
        subprocess.run([tool, "kill", part], check=True, capture_output=True)
    else:
        kubectl("-n", "argocd", "delete", "pod", "-l", f"app.kubernetes.io/name={part}", "--wait=false")


@contextlib.contextmanager
def restarted(part: str) -> Iterator[None]:
    """Start a part whenever it has ended, for as long as the block lasts: Kubernetes does so with a pod by itself.

    What a killed part left behind may still be ending, so that the next one ends too, after seconds of work.
    """
    tool, over = os.environ.get("SLIPWAY_TEST_CLUSTER"), threading.Event()

    def keep(tool: str) -> None:
        while not over.wait(1):
            said = subprocess.run([tool, "status"], check=True, capture_output=True, text=True).stdout
            if f"{part} running" not in said:
                subprocess.run([tool, "start", part], check=False, capture_output=True)

    thread = threading.Thread(target=keep, args=[tool]) if tool else None
    if thread is not None:
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread is not None:
            thread.join(60)


def conditions(site: Site, environment: str = "production") -> str:
    return str(site.application(environment).get("status", {}).get("conditions", []))


def operation(site: Site, environment: str = "production") -> str:
    return str(site.application(environment).get("status", {}).get("operationState", {}).get("syncResult", {}))


@pytest.mark.alone  # every site stands on the part
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_argo_cd_killed_in_a_sync(production: Site, built: Images, part: str) -> None:
    production.release("production", built["eight"])
    kill(part)
    with restarted(part):
        production.wait_phase("production", "Paused", built["eight"], seconds=240)
    assert wished(production.rollout("production")) == built["eight"].digest
    production.act("production", "promote")
    production.wait_phase("production", "Healthy", built["eight"])
    assert serves(production, "production", built["eight"])


def test_git_gone_leaves_serving_alone_and_releases_go_on_after(production: Site, built: Images) -> None:
    away = production.remote.with_suffix(".away")
    load = Load(production, "production", [ROW], RATE / 4)
    production.remote.rename(away)
    try:
        production.refresh("production")
        wait(lambda: "ComparisonError" in conditions(production), 60, "Argo CD to miss Git")
        load.wait_sent(300)
    finally:
        away.rename(production.remote)
    production.release("production", built["eight"])
    production.wait_phase("production", "Paused", built["eight"])
    load.stop()
    assert not load.failed()
    assert set(load.versions()) == {"7"}


EXTRA: dict[str, dict[str, Any]] = {
    "ClusterRole": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": []},
    "Role": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": []},
    "Secret": {"apiVersion": "v1", "kind": "Secret"},
    "Namespace": {"apiVersion": "v1", "kind": "Namespace"},
    "Job": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}},
}  # fmt: skip


def add(site: Site, *documents: dict[str, Any]) -> None:
    base = site.work / "gitops/base"
    (base / "extra.yaml").write_text(yaml.safe_dump_all(documents))
    path = base / "kustomization.yaml"
    if "- extra.yaml" not in path.read_text():
        path.write_text(path.read_text().replace("resources:\n", "resources:\n- extra.yaml\n", 1))
    site.commit(f"Add {', '.join(one['kind'] for one in documents)}")
    site.refresh("staging")


def test_what_the_policy_let_through_the_project_refuses(site: Site) -> None:
    site.install(["staging"])
    name = f"{site.name}-extra"
    hook = {"argocd.argoproj.io/hook": "PreSync"}
    add(site, *({**one, "metadata": {"name": name, "annotations": hook if kind == "Job" else {}}}
                for kind, one in EXTRA.items()))  # fmt: skip

    def refused() -> bool:
        return all(f"{kind} is not permitted" in operation(site, "staging") for kind in EXTRA)

    wait(refused, 60, "every kind refused")
    for kind in EXTRA:
        assert not kubectl("get", kind, "-A", "--field-selector", f"metadata.name={name}", "-o", "name")
    add(site, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    site.wait_synced("staging", seconds=120)
    assert get("-n", site.namespace("staging"), "configmap", name)


def test_pod_security_refuses_what_everything_else_let_through(production: Site, built: Images) -> None:
    path = production.work / "gitops/base/rollout.yaml"
    text = path.read_text()
    path.write_text(text.replace("          readOnlyRootFilesystem: true", "          privileged: true", 1)
                    .replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"))  # fmt: skip
    production.commit("Become root on the node")
    production.refresh("production")

    def refused() -> bool:
        found = get("-n", production.namespace("production"), "replicasets")["items"]
        return any("violates PodSecurity" in str(one.get("status", {}).get("conditions")) for one in found)

    wait(refused, 60, "the pods refused")
    assert serves(production, "production", built["seven"])


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_every_object_passes_the_api_servers_strict_validation(site: Site, built: Images, environment: str) -> None:
    site.install([environment])
    site.release(environment, built["seven"])
    made = build(site.overlay(environment))
    kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=made)
    wrong = made.replace("scaleDownDelaySeconds", "scaleDownDelaySecond")
    assert "unknown field" in kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=wrong, check=False
    )


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An OpenPGP key that Argo CD trusts for as long as the test runs: its id, and the environment to sign with."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    environment = {"GNUPGHOME": str(home)}
    words = ["gpg", "--batch", "--passphrase", "", "--quick-gen-key", "Test <test@example.com>", "ed25519", "sign"]
    subprocess.run(words, check=True, capture_output=True, env=os.environ | environment)
    listed = subprocess.run(["gpg", "--list-keys", "--with-colons"], check=True, capture_output=True, text=True,
                            env=os.environ | environment).stdout  # fmt: skip
    key = next(line.split(":")[4] for line in listed.splitlines() if line.startswith("pub"))
    public = subprocess.run(["gpg", "--armor", "--export", key], check=True, capture_output=True, text=True,
                            env=os.environ | environment).stdout  # fmt: skip
    patch = yaml.safe_dump({"data": {key: public}})
    kubectl("-n", "argocd", "patch", "configmap", "argocd-gpg-keys-cm", "--type=merge", "-p", patch)
    # Where Argo CD runs as processes, nothing mounts the ConfigMap for it.
    mounted = os.environ.get("ARGOCD_GPG_DATA_PATH")
    if mounted:
        (Path(mounted) / key).write_text(public)
    yield key, environment
    kubectl(
        "-n", "argocd", "patch", "configmap", "argocd-gpg-keys-cm", "--type=merge", "-p", f'{{"data":{{"{key}":null}}}}'
    )
    if mounted:
        (Path(mounted) / key).unlink()
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=False, env=os.environ | environment)


def test_an_unsigned_commit_under_a_signed_head_is_refused(
    site: Site, signer: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, environment = signer
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    argocd = site.work / "gitops/argocd"
    seal = argocd / "signed/kustomization.yaml"
    seal.write_text(seal.read_text().replace("0" * 16, key))
    path = argocd / "kustomization.yaml"
    path.write_text(path.read_text().replace("components: [models]", "components: [models, signed]"))

    def commit(message: str, *, signed: bool) -> str:
        settings = site.work / "gitops/base/settings.env"
        settings.write_text(f"NOTE={message.splitlines()[0]}\n")
        git(site.work, "add", "--all")
        words = ["-S" + key] if signed else []
        git(site.work, "commit", "--quiet", *words, "--message", message)
        git(site.work, "push", "--quiet", "origin", "HEAD:main")
        return git(site.work, "rev-parse", "HEAD")

    sealed = commit("Everything before is known\n\nArgocd-gpg-seal: the first signed commit", signed=True)
    site.install(["staging"])
    site.wait_synced("staging", sealed)
    accepted = commit("Signed, on a signed one", signed=True)
    site.refresh("staging")
    site.wait_synced("staging", accepted)

    commit("Not signed", signed=False)
    commit("Signed, on one that is not", signed=True)
    site.refresh("staging")
    wait(lambda: "ComparisonError" in conditions(site, "staging"), 60, "the history refused")
    assert "unsigned" in conditions(site, "staging")
    made = get("-n", site.namespace("staging"), "configmap")["items"]
    assert {one["data"]["NOTE"] for one in made if "NOTE" in one["data"]} == {
        "Everything before is known",
        "Signed, on a signed one",
    }

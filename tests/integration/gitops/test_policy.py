"""Each manifest that must not land is refused for its own reason; the nearest one that may is not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from release.policy.check import check
from tests.fixtures.images import ROOT
from tests.integration.gitops.conftest import edit

pytestmark = pytest.mark.long  # needs kustomize, which Go builds


def rules(gitops: Path, environment: str = "production") -> set[str]:
    return {finding.rule for finding in check(gitops / "apps/flight-delay" / environment)}


def base(gitops: Path) -> Path:
    return gitops / "base"


def pod(rollout: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = rollout["spec"]["template"]["spec"]
    return found


def container(rollout: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(rollout)["containers"][0]
    return found


def test_the_projects_own_manifests_pass(gitops: Path) -> None:
    assert rules(gitops) == rules(gitops, "staging") == set()


Change = Callable[[dict[str, Any]], Any]


def same(_: dict[str, Any]) -> None:
    """The accepted twin is the manifest as it is."""


HOST = {"name": "host", "hostPath": {"path": "/"}}
EMPTY = {"name": "scratch", "emptyDir": {}}
SIDE = {"name": "side", "image": "registry.example/side:1", "command": ["sh"]}

ROLLOUT: list[tuple[str, Change, Change]] = [
    ("volume", lambda r: pod(r)["volumes"].append(HOST), lambda r: pod(r)["volumes"].append(EMPTY)),
    ("root", lambda r: container(r)["securityContext"].update(runAsUser=0),
     lambda r: container(r)["securityContext"].update(runAsUser=1035)),
    ("root", lambda r: pod(r)["securityContext"].pop("runAsNonRoot"),
     lambda r: container(r)["securityContext"].update(runAsNonRoot=True)),
    ("privileged", lambda r: container(r)["securityContext"].update(privileged=True),
     lambda r: container(r)["securityContext"].update(privileged=False)),
    ("escalation", lambda r: container(r)["securityContext"].pop("allowPrivilegeEscalation"), same),
    ("filesystem", lambda r: container(r)["securityContext"].update(readOnlyRootFilesystem=False), same),
    ("capabilities", lambda r: container(r)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
     lambda r: container(r)["securityContext"]["capabilities"].update(add=[])),
    ("seccomp", lambda r: pod(r)["securityContext"].pop("seccompProfile"), same),
    ("host", lambda r: pod(r).update(hostNetwork=True), lambda r: pod(r).update(hostNetwork=False)),
    ("host", lambda r: container(r)["ports"][0].update(hostPort=80), same),
    ("token", lambda r: pod(r).pop("automountServiceAccountToken"), same),
    ("image", lambda r: pod(r).update(initContainers=[SIDE]), lambda r: pod(r).update(initContainers=[])),
    ("resources", lambda r: container(r)["resources"]["requests"].pop("cpu"), same),
    ("secret", lambda r: container(r)["env"].append({"name": "API_TOKEN", "value": "abc"}),
     lambda r: container(r)["env"].append(
         {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}})),
    ("secret", lambda r: container(r)["env"].append({"name": "DATABASE", "value": "postgresql://a:b@c/d"}),
     lambda r: container(r)["env"].append({"name": "DATABASE", "value": "postgresql://c/d"})),
    ("pause", lambda r: r["spec"]["strategy"]["blueGreen"].update(autoPromotionEnabled=True), same),
    ("strategy", lambda r: r["spec"]["strategy"].update(canary={}), same),
    ("hook", lambda r: r["metadata"]["annotations"].update({"argocd.argoproj.io/hook": "PreSync"}),
     lambda r: r["metadata"]["annotations"].update({"team": "flights"})),
    ("sync", lambda r: r["metadata"]["annotations"].update({"argocd.argoproj.io/ignore-healthcheck": "true"}), same),
    ("sync", lambda r: r["metadata"]["annotations"].update({"argocd.argoproj.io/sync-options": "Replace=true"}),
     lambda r: r["metadata"]["annotations"].update({"argocd.argoproj.io/sync-options": "Prune=false,Delete=false"})),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "refused", "accepted"), ROLLOUT, ids=[f"{n}-{r[0]}" for n, r in enumerate(ROLLOUT)])
def test_rollout(gitops: Path, rule: str, refused: Change, accepted: Change) -> None:
    path = base(gitops) / "rollout.yaml"
    before = path.read_text()
    edit(path, accepted)
    assert rules(gitops) == set()
    path.write_text(before)
    edit(path, refused)
    # What staging says, production may override: both are looked at.
    assert rule in rules(gitops) | rules(gitops, "staging")


OWN = {
    "moving tag": ("image", "replace", "/template/spec/containers/0/image", "registry.example/team/other:latest"),
    "another image": (
        "image", "replace", "/template/spec/containers/0/image", "registry.example/other@sha256:" + "a" * 64,
    ),
    "no analysis": ("analysis", "remove", "/strategy/blueGreen/prePromotionAnalysis", None),
    "no pause": ("pause", "replace", "/strategy/blueGreen/autoPromotionEnabled", True),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_what_a_models_own_folder_changes_of_the_base_is_looked_at(gitops: Path, name: str) -> None:
    rule, verb, path, value = OWN[name]
    patch = yaml.safe_dump([{"op": verb, "path": f"/spec{path}", "value": value}])
    edit(
        gitops / "apps/flight-delay/production/kustomization.yaml",
        lambda k: k.update(patches=[{"target": {"kind": "Rollout"}, "patch": patch}]),
    )
    assert rules(gitops) == {rule}


EXTRA: dict[str, tuple[str, dict[str, Any]]] = {
    "cluster role": ("kind", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"}),
    "role": ("kind", {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}),
    "secret": ("kind", {"apiVersion": "v1", "kind": "Secret"}),
    "namespace": ("kind", {"apiVersion": "v1", "kind": "Namespace"}),
    "job": ("kind", {"apiVersion": "batch/v1", "kind": "Job"}),
    "pod": ("kind", {"apiVersion": "v1", "kind": "Pod"}),
    "application": ("kind", {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}),
    "crd": ("kind", {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}),
    "node port": ("exposed", {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort"}}),
    "external name": ("exposed", {"apiVersion": "v1", "kind": "Service", "spec": {"externalName": "evil.example"}}),
    "second selector": ("selector", {"apiVersion": "v1", "kind": "Service", "spec": {"selector": {"a": "b"}}}),
    "plain ingress": ("tls", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                              "spec": {"rules": [{"host": "a.example"}]}}),
    "web analysis": ("provider", {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
                                  "spec": {"metrics": [{"name": "a", "provider": {"web": {"url": "http://a"}}}]}}),
    "analysis that passes without data": (
        "no-data", {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate",
                    "spec": {"metrics": [{"name": "a", "successCondition": "result[0] < 1",
                                          "provider": {"prometheus": {"query": "a"}}}]}}),
    "secret in a query": ("secret", {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "spec": {
        "args": [{"name": "a", "valueFrom": {"secretKeyRef": {"name": "b", "key": "c"}}}]}}),
    "open ingress": ("network", {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                                 "spec": {"podSelector": {}, "ingress": [{}]}}),
    "open egress": ("network", {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {
        "podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}}),
    "somebody's volume": ("volume", {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                                     "spec": {"volumeName": "somebodys"}}),
    "copy of a volume": ("volume", {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                                    "spec": {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"}}}),
    "open server": ("auth", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"SLIPWAY_AUTH": "off"}}),
    "private key": ("secret", {"apiVersion": "v1", "kind": "ConfigMap",
                               "data": {"a": "-----BEGIN PRIVATE KEY-----"}}),
}  # fmt: skip
CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"accessModes": ["ReadWriteMany"]}}
HARMLESS: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}


@pytest.mark.parametrize("name", EXTRA)
def test_extra_object(gitops: Path, name: str) -> None:
    rule, document = EXTRA[name]
    path = base(gitops) / "extra.yaml"
    edit(base(gitops) / "kustomization.yaml", lambda k: k["resources"].append("extra.yaml"))
    twin = CLAIM if document["kind"] == CLAIM["kind"] else HARMLESS
    path.write_text(yaml.safe_dump(twin | {"metadata": {"name": "extra"}}))
    assert rules(gitops) == set()
    path.write_text(yaml.safe_dump(document | {"metadata": {"name": "extra"}}))
    assert rule in rules(gitops)


SOURCES: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "remote base": ("remote", {"resources": ["https://github.com/someone/manifests//base?ref=main"]}),
    "remote base by ssh": ("remote", {"resources": ["git@github.com:someone/manifests.git"]}),
    "remote file": ("remote", {"resources": ["https://example.com/role.yaml"]}),
    "remote component": ("remote", {"components": ["github.com/someone/manifests"]}),
    "remote replacement": ("remote", {"replacements": [{"path": "https://example.com/replacement.yaml"}]}),
    "another model's folder": ("outside", {"resources": ["../../other/base"]}),
    "absolute path": ("outside", {"resources": ["/etc"]}),
    "chart": ("feature", {"helmCharts": [{"name": "a", "repo": "https://charts.example"}]}),
    "plugin": ("feature", {"transformers": ["transformer.yaml"]}),
    "secret generator": ("feature", {"secretGenerator": [{"name": "a", "literals": ["a=b"]}]}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source(gitops: Path, name: str) -> None:
    rule, content = SOURCES[name]
    overlay = gitops / "apps/flight-delay/production/kustomization.yaml"
    (gitops / "apps/other/base").mkdir(parents=True)

    def add(kustomization: dict[str, Any]) -> None:
        for key, value in content.items():
            kustomization[key] = kustomization.get(key, []) + value

    edit(overlay, add)
    assert rules(gitops) == {rule}


def test_a_link_is_refused(gitops: Path) -> None:
    (gitops / "apps/flight-delay/production/notes.yaml").symlink_to("/etc/hostname")
    assert rules(gitops) == {"link"}


def test_a_link_in_the_shared_base_is_refused(gitops: Path) -> None:
    (base(gitops) / "notes.yaml").symlink_to("/etc/hostname")
    assert rules(gitops) == rules(gitops, "staging") == {"link"}


def test_a_base_that_is_a_link_is_refused(gitops: Path, tmp_path: Path) -> None:
    (gitops / "base").rename(tmp_path / "elsewhere")
    (gitops / "base").symlink_to(tmp_path / "elsewhere")
    assert rules(gitops) == {"outside"}


def test_the_shared_base_reaches_no_models_folder(gitops: Path) -> None:
    edit(base(gitops) / "kustomization.yaml", lambda k: k["resources"].append("../apps/flight-delay/production"))
    assert rules(gitops) == {"outside"}


def test_a_model_tries_the_next_base_and_no_other_folder_beside_it(gitops: Path) -> None:
    overlay = gitops / "apps/flight-delay/staging/kustomization.yaml"
    (gitops / "base").rename(gitops / "base-next")
    overlay.write_text(overlay.read_text().replace("/base", "/base-next"))
    assert rules(gitops, "staging") == set()
    (gitops / "base-next").rename(gitops / "argocd-next")
    overlay.write_text(overlay.read_text().replace("/base-next", "/argocd-next"))
    assert rules(gitops, "staging") == {"outside"}


def test_an_object_of_the_base_that_never_got_the_models_name_is_refused(gitops: Path) -> None:
    (base(gitops) / "extra.yaml").write_text(yaml.safe_dump(HARMLESS | {"metadata": {"name": "MODEL-extra"}}))
    edit(base(gitops) / "kustomization.yaml", lambda k: k["resources"].append("extra.yaml"))
    assert rules(gitops) == {"name"}
    edit(base(gitops) / "extra.yaml", lambda document: document["metadata"].update(name="extra"))
    assert rules(gitops) == set()


def test_another_namespace_is_refused(gitops: Path) -> None:
    edit(gitops / "apps/flight-delay/staging/kustomization.yaml", lambda k: k.update(namespace="kube-system"))
    assert rules(gitops, "staging") == {"namespace"}


def test_the_command_says_where_and_why(gitops: Path) -> None:
    edit(base(gitops) / "rollout.yaml", lambda r: pod(r)["volumes"].append(HOST))
    command = ["python", "-m", "release.policy", str(gitops)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ)
    assert done.returncode == 4
    assert "flight-delay/production Rollout/flight-delay: volume host: hostPath reaches into the node" in done.stdout
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ)
    assert {one["rule"] for one in json.loads(done.stdout)} == {"volume"}

"""What the overlays make: valid objects, and no difference between environments that nobody could explain."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from release import kustomize
from release.policy.check import build, check
from tests.fixtures.images import ROOT
from tests.integration.gitops.conftest import FIXTURE, NEXT, release, rendered
from tools.add_model import add

ENVIRONMENTS = ("staging", "production")
# Every place where production may differ from staging, and why a person would want it so.
EXPLAINED = {
    ".metadata.namespace": "they live apart",
    "ConfigMap.data.SLIPWAY_ENVIRONMENT": "the server says where it runs, and refuses more in production",
    "ConfigMap.metadata.name": "its content's hash",
    "Rollout/flight-delay.spec.template.spec.containers[0].envFrom[0].configMapRef.name": "the same hash",
    "Rollout/flight-delay.spec.strategy.blueGreen.autoPromotionEnabled": "in production an operator says when",
    "Rollout/flight-delay.spec.template.spec.containers[0].resources.requests.cpu": "guaranteed in production",
    "Rollout/flight-delay.spec.template.spec.containers[0].resources.requests.memory": "guaranteed in production",
    "Rollout/flight-delay.spec.template.spec.containers[0].resources.limits.cpu": "guaranteed in production",
    "Rollout/flight-delay.spec.template.spec.containers[0].env[2].name": "the spool's folder is the pod's",
    "Rollout/flight-delay.spec.template.spec.containers[0].env[2].valueFrom.fieldRef.fieldPath": "the same",
    "Rollout/flight-delay.spec.template.spec.volumes[1].emptyDir.sizeLimit": "the spool outlives its pod in production",
    "Rollout/flight-delay.spec.template.spec.volumes[1].persistentVolumeClaim.claimName": "the same",
    "HorizontalPodAutoscaler/flight-delay.spec.minReplicas": "production survives a lost pod",
    "HorizontalPodAutoscaler/flight-delay.spec.maxReplicas": "production takes more load",
    "Ingress/flight-delay.spec.rules[0].host": "they answer under names of their own",
    "Ingress/flight-delay.spec.tls[0].hosts[0]": "they answer under names of their own",
}
# Objects that production alone has, and why.
OWN = {"PersistentVolumeClaim/flight-delay-spool": "rows that wait for PostgreSQL outlive their pod"}

pytestmark = pytest.mark.long  # needs kustomize, which Go builds


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {p: v for key, inner in value.items() for p, v in leaves(inner, f"{path}.{key}").items()}
    if isinstance(value, list):
        return {p: v for i, inner in enumerate(value) for p, v in leaves(inner, f"{path}[{i}]").items()}
    return {path: value}


def differences(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    first = {k + p: v for k, document in one.items() for p, v in leaves(document).items()}
    second = {k + p: v for k, document in other.items() for p, v in leaves(document).items()}
    return {path for path in first.keys() | second.keys() if first.get(path) != second.get(path)}


def explained(path: str) -> bool:
    if path.startswith(tuple(OWN)):
        return True
    return path in EXPLAINED or any(path.endswith(end) for end in EXPLAINED if end.startswith("."))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_object_is_as_it_is_written_down(gitops: Path, environment: str) -> None:
    """What serves changes by intent alone: `rendered/` changes in the same commit.

    Written before the base was shared: sharing it changed no object, so it rolled nothing out.
    """
    text = (Path(__file__).parent / "rendered" / f"{environment}.yaml").read_text()
    found = {(one["kind"], one["metadata"]["name"]): one for one in build(gitops / "apps/flight-delay" / environment)}
    assert found == {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}


@pytest.mark.parametrize("name", ["tides", "no", "null", "model", "model-preview", "settings", "smoke"])
def test_another_model_is_the_first_under_another_name(gitops: Path, name: str) -> None:
    add(gitops, name)
    for environment in ENVIRONMENTS:
        release(gitops, environment, FIXTURE, name)
        for ours, theirs in zip(
            build(gitops / "apps/flight-delay" / environment), build(gitops / "apps" / name / environment), strict=True
        ):
            if ours["kind"] != "ConfigMap":  # its name holds a hash of its name
                assert renamed(ours, name) == renamed(theirs, name)


def test_a_folder_with_a_base_of_its_own_keeps_working_and_moves_without_a_rollout(gitops: Path) -> None:
    own = gitops / "apps/flight-delay"
    before = {environment: build(own / environment) for environment in ENVIRONMENTS}
    shutil.move(gitops / "base", own / "base")
    for environment in ENVIRONMENTS:
        overlay = own / environment / "kustomization.yaml"
        overlay.write_text(overlay.read_text().replace("../../../base", "../base"))
        assert check(own / environment) == []
        assert build(own / environment) == before[environment]


def test_the_pages_overlay_differs_in_what_it_says(gitops: Path) -> None:
    add(gitops, "tides")
    release(gitops, "production", FIXTURE, "tides")
    overlay = gitops / "apps/tides/production"
    before = {one["kind"]: one for one in build(overlay)}
    page = (ROOT / "docs/reference/manifests.md").read_text().partition("## A model's folder")[2]
    (overlay / "kustomization.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert check(overlay) == []
    after = {one["kind"]: one for one in build(overlay)}
    assert {kind for kind, one in after.items() if one != before[kind]} == {
        "ConfigMap",
        "Rollout",
        "HorizontalPodAutoscaler",
    }
    assert after["ConfigMap"]["data"] == before["ConfigMap"]["data"] | {"SLIPWAY_DRAIN_SECONDS": "10"}
    assert after["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] == 12


def renamed(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: renamed(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, name) for inner in value]
    if not isinstance(value, str) or value.startswith("registry.example/"):  # the image is whatever was packaged
        return value
    return re.sub(rf"^(flight-delay|{name})-(?!production)[a-z0-9]{{10}}$", "HASH", value).replace("flight-delay", name)


def test_environments_differ_only_where_a_person_would_say_why(gitops: Path) -> None:
    found = differences(rendered(gitops, "staging"), rendered(gitops, "production"))
    assert {path for path in found if not explained(path)} == set()


def test_every_explanation_is_still_needed(gitops: Path) -> None:
    found = differences(rendered(gitops, "staging"), rendered(gitops, "production"))
    assert {end for end in EXPLAINED if not any(path == end or path.endswith(end) for path in found)} == set()


def test_a_release_moves_images_and_annotations_alone(gitops: Path) -> None:
    before = rendered(gitops, "production")
    release(gitops, "production", NEXT)
    found = differences(before, rendered(gitops, "production"))
    images = {path for path in found if path.endswith(".image")}
    assert images == {
        "Rollout/flight-delay.spec.template.spec.containers[0].image",
        "AnalysisTemplate/flight-delay-smoke.spec.metrics[0].provider.job.spec.template.spec.containers[0].image",
    }
    assert {path for path in found - images if "annotations.slipway/image-digest" not in path} == set()


def test_pods_carry_where_their_release_comes_from(gitops: Path) -> None:
    annotations = rendered(gitops, "production")["Rollout/flight-delay"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations["slipway/image-digest"] == FIXTURE.digest
    assert annotations["slipway/model-version"] == "7"


def test_production_is_guaranteed(gitops: Path) -> None:
    for container in rendered(gitops, "production")["Rollout/flight-delay"]["spec"]["template"]["spec"]["containers"]:
        resources = container["resources"]
        assert resources["requests"] == resources["limits"]
        assert set(resources["limits"]) == {"cpu", "memory"}


def test_an_environment_before_its_first_release_runs_nothing() -> None:
    for environment in ENVIRONMENTS:
        kinds = {document["kind"] for document in rendered(ROOT / "gitops", environment).values()}
        assert not kinds & {"Rollout", "AnalysisTemplate", "HorizontalPodAutoscaler"}
        assert {"Service", "Ingress", "NetworkPolicy", "ServiceAccount"} <= kinds


def test_overlays_are_short() -> None:
    for path in (ROOT / "gitops/apps").glob("*/*/kustomization.yaml"):
        assert len(path.read_text().splitlines()) <= 12, path


def test_the_project_allows_what_the_policy_allows() -> None:
    from release.policy.objects import KINDS
    from tests.integration.gitops.argocd import projects

    for project in projects():
        spec = project["spec"]
        assert spec["clusterResourceWhitelist"] == []
        assert {(one["group"], one["kind"]) for one in spec["namespaceResourceWhitelist"]} == KINDS
        assert all(not {"*"} & set(one.values()) for one in spec["destinations"])


def test_what_finds_the_models_deletes_nothing_and_stays_in_its_project() -> None:
    from tests.integration.gitops.argocd import objects

    finders = {one["metadata"]["name"]: one["spec"] for one in objects("ApplicationSet")}
    assert set(finders) == {f"slipway-{environment}" for environment in ENVIRONMENTS}
    for environment in ENVIRONMENTS:
        spec = finders[f"slipway-{environment}"]
        assert spec["syncPolicy"] == {"applicationsSync": "create-update", "preserveResourcesOnDeletion": True}
        template = spec["template"]
        assert "finalizers" not in template["metadata"]
        assert template["spec"]["project"] == f"slipway-{environment}"
        assert template["spec"]["syncPolicy"]["automated"]["prune"] is (environment == "staging")
        assert "CreateNamespace=true" not in template["spec"]["syncPolicy"]["syncOptions"]
        where = [entry["path"] for one in spec["generators"] for entry in one["git"]["directories"]]
        assert where == [f"gitops/apps/*/{environment}"]


def test_each_model_has_a_folder_and_is_let_in() -> None:
    from tests.integration.gitops.argocd import objects, projects

    models = {path.name for path in (ROOT / "gitops/apps").iterdir()}
    wanted = {f"{model}-{environment}" for model in models for environment in ENVIRONMENTS}
    assert {one["metadata"]["name"] for one in objects("Namespace")} == wanted
    assert {entry["namespace"] for one in projects() for entry in one["spec"]["destinations"]} == wanted
    assert {one["metadata"]["namespace"] for one in objects("RoleBinding")} == wanted


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_objects_fit_their_schemas(gitops: Path, environment: str, tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    overlay = gitops / "apps/flight-delay" / environment
    made.write_text(kustomize.build(overlay))
    assert conform(made).returncode == 0, conform(made).stdout
    made.write_text(made.read_text().replace("scaleDownDelaySeconds: 600", "scaleDownDelaySecond: 600"))
    assert "scaleDownDelaySecond" in conform(made).stdout


def conform(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tools/kubeconform"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_hundred_models_cost_no_more_each_than_one(tmp_path: Path) -> None:
    """Ratios, not times: a hundred models rendered and checked, against one."""

    def seconds(models: int) -> float:
        folder = tmp_path / str(models)
        shutil.copytree(ROOT / "gitops/base", folder / "base")
        for number in range(models):
            add(folder, f"model-{number}")
        started = time.perf_counter()
        done = subprocess.run(
            ["python", "-m", "release.policy", str(folder), "--json"], capture_output=True, text=True, check=False
        )
        assert json.loads(done.stdout) == [], done.stdout
        return (time.perf_counter() - started) / models

    assert seconds(20) < 2 * seconds(1)


def test_argo_cds_shared_configmap_gets_keys_of_this_project_alone() -> None:
    objects = list(yaml.safe_load_all(kustomize.build(ROOT / "gitops/argocd")))
    data = next(one["data"] for one in objects if one["metadata"]["name"] == "argocd-notifications-cm")
    assert all(key.split(".")[-1].startswith("slipway") for key in data), sorted(data)
    begins = "notifications.argoproj.io/subscribe."
    applications = [one["spec"]["template"]["metadata"] for one in objects if one["kind"] == "ApplicationSet"]
    assert len(applications) == len(ENVIRONMENTS)
    for meta in applications:
        told = {key.removeprefix(begins) for key in meta["annotations"] if key.startswith(begins)}
        assert told == {f"{key.removeprefix('trigger.')}.slipway" for key in data if key.startswith("trigger.")}

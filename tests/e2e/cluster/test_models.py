"""What finds the models' folders, and what a folder in gitops/apps alone cannot do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster.test_release import serves
from tests.fixtures.images import Image
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.site import ENVIRONMENTS, MODEL, Site, release_file
from tools.add_model import add

Images = dict[str, Image]
STAGING = "staging"


def application(name: str) -> dict[str, Any]:
    return get("-n", "argocd", "application", name)


def conditions(found: dict[str, Any]) -> str:
    return json.dumps(found.get("status", {}).get("conditions") or [])


@pytest.fixture
def second(site: Site) -> Iterator[str]:
    """The name of a second model; what was made for it goes with the site."""
    name = f"{site.name}-second"
    yield name
    for environment in ENVIRONMENTS:
        kubectl("-n", "argocd", "delete", "applicationset", f"{site.name}-project-{environment}", "--ignore-not-found")
        kubectl("-n", "argocd", "delete", "application", f"{name}-{environment}", "--ignore-not-found", "--wait=false")
        kubectl("delete", "namespace", f"{name}-{environment}", "--ignore-not-found", "--wait=false")


def test_a_second_model_runs_once_it_has_its_files_and_is_let_in(site: Site, second: str, built: Images) -> None:
    site.install([STAGING])
    add(site.work / "gitops", second)
    overlay = site.work / "gitops/apps" / second / STAGING
    (overlay / "release/kustomization.yaml").write_text(release_file(built["seven"], model=second))
    site.commit("Add a second model")
    site.find(STAGING)
    space = f"{second}-{STAGING}"

    def refused() -> bool:
        return "do not match any of the allowed destinations" in conditions(application(space))

    wait(refused, 60, "the folder alone refused")
    assert not get("namespace", space)

    kubectl("apply", "-k", str(site.work / "gitops/argocd"))
    for kind, name in (("secret", second), ("secret", f"{second}-smoke"), ("configmap", f"{second}-keys")):
        source = get("-n", site.namespace(STAGING), kind, name.replace(second, MODEL))
        source["metadata"] = {"name": name, "namespace": space}
        kubectl("apply", "-f", "-", stdin=json.dumps(source))
    kubectl("-n", "argocd", "annotate", "application", space, "--overwrite", "argocd.argoproj.io/refresh=normal")

    def healthy() -> bool:
        return bool(get("-n", space, "rollout", second).get("status", {}).get("phase") == "Healthy")

    wait(healthy, 120, "the second model")
    assert get("-n", space, "service", f"{second}-preview")
    assert site.application(STAGING)["status"]["sync"]["status"] == "Synced"


def test_a_folder_does_not_take_over_an_application_of_others(site: Site, second: str) -> None:
    theirs = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": f"{second}-{STAGING}", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": site.url, "path": "billing", "targetRevision": "main"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "billing"},
        },
    }
    site.install([STAGING])
    kubectl("apply", "-f", "-", stdin=json.dumps(theirs))
    shutil.copytree(site.work / "gitops/apps" / MODEL, site.work / "gitops/apps" / second)
    site.commit("A folder with the name of somebody's Application")
    site.find(STAGING)
    finder = f"{site.name}-project-{STAGING}"

    def refused() -> bool:
        return "cannot become a model's" in conditions(get("-n", "argocd", "applicationset", finder))

    wait(refused, 60, "the takeover refused")
    found = application(f"{second}-{STAGING}")
    assert found["spec"]["project"] == "default"
    assert "ownerReferences" not in found["metadata"]
    assert site.application(STAGING)["status"]["sync"]["status"] == "Synced"


def test_applications_from_before_are_taken_over_and_outlive_what_finds_them(production: Site, built: Images) -> None:
    """An Application of the time when there was one a file, then somebody who stops it, then no ApplicationSet."""
    name = production.namespace("production")
    finder = ["-n", "argocd", "applicationset", f"{production.name}-project-production"]
    kubectl("delete", *finder, "--cascade=orphan")
    wait(lambda: "ownerReferences" not in application(name)["metadata"], 60, "an Application that nothing owns")
    made = application(name)
    stop = {"spec": {"syncPolicy": {"automated": None}}}
    kubectl("-n", "argocd", "patch", "application", name, "--type=merge", "-p", json.dumps(stop))
    kubectl("apply", "-k", str(production.work / "gitops/argocd"))
    owned = wait(lambda: application(name)["metadata"].get("ownerReferences"), 60, "the Application taken over")
    assert owned[0]["kind"] == "ApplicationSet"
    found = application(name)
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    assert "automated" not in found["spec"]["syncPolicy"], "who stopped it has stopped it"
    assert found["spec"]["syncPolicy"]["retry"] == made["spec"]["syncPolicy"]["retry"]
    assert "finalizers" not in found["metadata"]

    rollout = production.rollout("production")
    kubectl("delete", *finder)
    wait(lambda: not application(name), 60, "the Application gone with what found it")
    assert production.rollout("production")["metadata"]["uid"] == rollout["metadata"]["uid"]
    assert serves(production, "production", built["seven"])


def test_a_folder_that_is_gone_takes_nothing_along(production: Site, built: Images) -> None:
    name = production.namespace("production")
    before = application(name)["metadata"]["uid"]
    shutil.rmtree(production.work / "gitops/apps" / MODEL)
    commit = production.commit("Remove the model's folder")
    production.find("production")
    production.refresh("production")

    def unreadable() -> bool:
        return "app path does not exist" in conditions(application(name))

    wait(unreadable, 60, f"Argo CD to miss the folder at {commit[:8]}")
    assert application(name)["metadata"]["uid"] == before
    assert serves(production, "production", built["seven"])

    kubectl("-n", "argocd", "delete", "application", name)
    production.find("production")
    finder = ["-n", "argocd", "applicationset", f"{production.name}-project-production"]
    wait(lambda: "application-set-refresh" not in str(get(*finder)["metadata"]["annotations"]), 60, "Argo CD's look")
    assert not application(name), "an Application that was deleted after its folder stays away"
    assert serves(production, "production", built["seven"])

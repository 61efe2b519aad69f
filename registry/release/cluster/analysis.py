"""An analysis of what is active, run because somebody asks: the Rollout's own templates and arguments.

Argo Rollouts runs none for the first revision of a Rollout. The run belongs to the revision's
ReplicaSet and goes with it; owned by the Rollout, its controller would end it.
"""

from __future__ import annotations

import time
from typing import Any

from registry.release.cluster.api import ROLLOUTS, SECONDS, Cluster
from registry.release.cluster.rollouts import HASH, Analysis
from slipway.errors import BadInput, Unavailable

ENDED = ("Successful", "Failed", "Error", "Inconclusive")
POLL_SECONDS = 1.0


def analyse(cluster: Cluster, namespace: str, name: str, seconds: float) -> Analysis:
    """Run the analysis of a Rollout's active revision and wait for its end, at most `seconds`.

    Raises:
        BadInput: nothing is active there, or a template or an annotation that it needs is missing.
        Unavailable: the cluster does not answer, or the analysis does not end.
    """
    from kubernetes.client import CustomObjectsApi

    custom: Any = CustomObjectsApi(cluster.client)
    with cluster.asking(f"run the analysis of {namespace}/{name}"):
        found = _get(custom, namespace, "rollouts", name)
        owner = _active(cluster, found)
        analysis = found["spec"]["strategy"]["blueGreen"]["prePromotionAnalysis"]
        templates = [_get(custom, namespace, "analysistemplates", one["templateName"]) for one in analysis["templates"]]
        body = run_of(found, templates, owner)
        created = custom.create_namespaced_custom_object(
            *ROLLOUTS, namespace, "analysisruns", body, _request_timeout=SECONDS
        )
    return _ended(cluster, custom, namespace, created["metadata"]["name"], seconds)


def _get(custom: Any, namespace: str, plural: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = custom.get_namespaced_custom_object(
        *ROLLOUTS, namespace, plural, name, _request_timeout=SECONDS
    )
    return found


def _active(cluster: Cluster, rollout: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of the ReplicaSet that is active, and in preview: the templates ask the preview's Service."""
    from kubernetes.client import AppsV1Api

    meta, colours = rollout["metadata"], rollout.get("status", {}).get("blueGreen", {})
    revision = colours.get("activeSelector")
    if not revision or revision != colours.get("previewSelector"):
        raise BadInput(
            f"the Rollout {meta['namespace']}/{meta['name']} is not on one revision",
            expected="one that is active, and none that waits beside it",
            hint=f"slipway status {meta['name']}",
        )
    listed = AppsV1Api(cluster.client).list_namespaced_replica_set(
        meta["namespace"], label_selector=f"{HASH}={revision}", _request_timeout=SECONDS
    )
    found: dict[str, Any] = cluster.client.sanitize_for_serialization(listed.items[0].metadata)
    return found


def run_of(rollout: dict[str, Any], templates: list[dict[str, Any]], owner: dict[str, Any]) -> dict[str, Any]:
    """Return the AnalysisRun that the Rollout's controller would make; `owner` is the ReplicaSet's metadata.

    Raises:
        BadInput: an argument has no value.
    """
    asked = rollout["spec"]["strategy"]["blueGreen"]["prePromotionAnalysis"].get("args", [])
    values = {one["name"]: _value(one, rollout) for one in asked}
    arguments = {}
    for one in [argument for template in templates for argument in template["spec"].get("args", [])]:
        value = values.get(one["name"]) or one.get("value")
        if value is None:
            raise BadInput(f"the analysis has no {one['name']}", expected="an annotation of the Rollout, or a default")
        arguments[one["name"]] = value
    meta = {
        "generateName": f"{rollout['metadata']['name']}-asked-",
        "labels": {HASH: owner["labels"][HASH]},
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner["name"], "uid": owner["uid"]}
        ],
    }
    spec = {
        "metrics": [metric for template in templates for metric in template["spec"]["metrics"]],
        "args": [{"name": name, "value": value} for name, value in arguments.items()],
    }
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": meta, "spec": spec}


def _value(argument: dict[str, Any], rollout: dict[str, Any]) -> str | None:
    path = argument.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    annotations = rollout["metadata"].get("annotations") or {}
    if path.startswith("metadata.annotations['"):
        return annotations.get(path[len("metadata.annotations['") : -2])
    return argument.get("value")


def _ended(cluster: Cluster, custom: Any, namespace: str, name: str, seconds: float) -> Analysis:
    ends = time.monotonic() + seconds
    while True:
        with cluster.asking(f"read the analysis {name}"):
            status = _get(custom, namespace, "analysisruns", name).get("status", {})
        if status.get("phase") in ENDED:
            return Analysis(name, status["phase"], status.get("message", ""))
        if time.monotonic() > ends:
            raise Unavailable(
                f"the analysis {namespace}/{name} did not end",
                expected=f"an end within {seconds:g} s",
                found=status.get("phase") or "not begun",
                hint=f"kubectl -n {namespace} describe analysisrun {name}",
            )
        time.sleep(POLL_SECONDS)

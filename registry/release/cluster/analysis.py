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
    from kubernetes.client import AppsV1Api, CustomObjectsApi

    custom: Any = CustomObjectsApi(cluster.client)
    where = f"{namespace}/{name}"
    with cluster.asking(f"run the analysis of {where}"):
        found = custom.get_namespaced_custom_object(*ROLLOUTS, namespace, "rollouts", name, _request_timeout=SECONDS)
        status = found.get("status", {})
        revision = status.get("blueGreen", {}).get("activeSelector")
        if not revision or revision != status.get("blueGreen", {}).get("previewSelector"):
            raise BadInput(
                f"the Rollout {where} is not on one revision",
                expected="one that is active and in preview alike",
                hint=f"slipway status {name}",
            )
        listed = AppsV1Api(cluster.client).list_namespaced_replica_set(
            namespace, label_selector=f"{HASH}={revision}", _request_timeout=SECONDS
        )
        named = [
            one["templateName"] for one in found["spec"]["strategy"]["blueGreen"]["prePromotionAnalysis"]["templates"]
        ]
        templates = [
            custom.get_namespaced_custom_object(
                *ROLLOUTS, namespace, "analysistemplates", one, _request_timeout=SECONDS
            )
            for one in named
        ]
        owner = cluster.client.sanitize_for_serialization(listed.items[0].metadata)
        body = run_of(found, templates, owner)
        made = custom.create_namespaced_custom_object(*ROLLOUTS, namespace, "analysisruns", body)["metadata"]["name"]
    return _ended(cluster, namespace, made, seconds)


def run_of(rollout: dict[str, Any], templates: list[dict[str, Any]], owner: dict[str, Any]) -> dict[str, Any]:
    """Return the AnalysisRun that the Rollout's controller would make; `owner` is the ReplicaSet's metadata.

    Raises:
        BadInput: an argument has no value.
    """
    values = {one["name"]: _value(one, rollout) for one in _asked(rollout)}
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


def _asked(rollout: dict[str, Any]) -> list[dict[str, Any]]:
    analysis = rollout["spec"]["strategy"]["blueGreen"]["prePromotionAnalysis"]
    asked: list[dict[str, Any]] = analysis.get("args", [])
    return asked


def _value(argument: dict[str, Any], rollout: dict[str, Any]) -> str | None:
    path = argument.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    annotations = rollout["metadata"].get("annotations") or {}
    if path.startswith("metadata.annotations['"):
        return annotations.get(path[len("metadata.annotations['") : -2])
    return argument.get("value")


def _ended(cluster: Cluster, namespace: str, name: str, seconds: float) -> Analysis:
    from kubernetes.client import CustomObjectsApi

    custom: Any = CustomObjectsApi(cluster.client)
    ends = time.monotonic() + seconds
    while True:
        with cluster.asking(f"read the analysis {name}"):
            found = custom.get_namespaced_custom_object(
                *ROLLOUTS, namespace, "analysisruns", name, _request_timeout=SECONDS
            )
        status = found.get("status", {})
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

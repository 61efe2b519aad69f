"""An analysis of what is active, run because someone asks: the Rollout's own templates and arguments.

Argo Rollouts runs none for the first revision of a Rollout. The run belongs to the revision's
ReplicaSet and goes with it; owned by the Rollout, its controller would end it.
"""

from __future__ import annotations

import time

from release.cluster.api import Cluster
from release.cluster.objects import APPS, Object, Objects
from release.cluster.rollouts import HASH, Analysis
from slipway.errors import BadInput, Unavailable

ENDED = ("Successful", "Failed", "Error", "Inconclusive")
POLL_SECONDS = 1.0


def analyse(cluster: Cluster, namespace: str, name: str, seconds: float) -> Analysis:
    """Run the analysis of a Rollout's active revision and wait for its end, at most `seconds`.

    Raises:
        BadInput: no Rollout, nothing that is active there, or a template or an annotation that it needs is missing.
        Unavailable: the cluster does not answer, or the analysis does not end.
    """
    objects = cluster.objects
    found = objects.get(namespace, "rollouts", name)
    owner = _active(objects, found)
    named = [one["templateName"] for one in _analysis(found)["templates"]]
    templates = [objects.get(namespace, "analysistemplates", one) for one in named]
    made = objects.make(namespace, "analysisruns", run_of(found, templates, owner))
    return _ended(objects, namespace, made, seconds)


def _analysis(rollout: Object) -> Object:
    asked: Object | None = rollout["spec"].get("strategy", {}).get("blueGreen", {}).get("prePromotionAnalysis")
    if not asked:
        meta = rollout["metadata"]
        raise BadInput(
            f"the Rollout {meta['namespace']}/{meta['name']} names no analysis",
            expected="prePromotionAnalysis in its blueGreen strategy",
            hint="add one to its manifest, and push",
        )
    return asked


def _active(objects: Objects, rollout: Object) -> Object:
    """Return the metadata of the ReplicaSet that is active, and in preview: the templates ask the preview's Service."""
    meta, colours = rollout["metadata"], rollout.get("status", {}).get("blueGreen", {})
    revision = colours.get("activeSelector")
    sets: list[Object] = [one["metadata"] for one in objects.every(APPS, "replicasets", [meta["namespace"]])]
    active = [one for one in sets if one.get("labels", {}).get(HASH) == revision]
    if not active or revision != colours.get("previewSelector"):
        raise BadInput(
            f"the Rollout {meta['namespace']}/{meta['name']} is not on one revision",
            expected="one that is active, and none that waits beside it",
            hint=f"slipway status {meta['name']}",
        )
    return active[0]


def run_of(rollout: Object, templates: list[Object], owner: Object) -> Object:
    """Return the AnalysisRun that the Rollout's controller would make; `owner` is the ReplicaSet's metadata.

    Raises:
        BadInput: an argument has no value.
    """
    values = {one["name"]: _value(one, rollout) for one in _analysis(rollout).get("args", [])}
    arguments = {}
    for one in [argument for template in templates for argument in template["spec"].get("args", [])]:
        value = values.get(one["name"]) or one.get("value")
        if value is None:
            raise BadInput(
                f"the analysis has no {one['name']}",
                expected="an annotation of the Rollout, or a default",
                hint="add one to the AnalysisTemplate, and push",
            )
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


def _value(argument: Object, rollout: Object) -> str | None:
    path = argument.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    annotations = rollout["metadata"].get("annotations") or {}
    if path.startswith("metadata.annotations['"):
        return annotations.get(path[len("metadata.annotations['") : -2])
    return argument.get("value")


def _ended(objects: Objects, namespace: str, name: str, seconds: float) -> Analysis:
    ends = time.monotonic() + seconds
    while True:
        status = objects.get(namespace, "analysisruns", name).get("status", {})
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

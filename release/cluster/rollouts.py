"""What a Rollout says, as frozen facts; pure, from the objects that the API server gives.

The phase is Argo Rollouts' own (`kubectl argo rollouts status`), with its three
reasons to distrust a phase that the controller has not looked at since.
Source: https://github.com/argoproj/argo-rollouts/blob/v1.10.2/utils/rollout/rolloututil.go
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HEALTHY, DEGRADED, PAUSED, PROGRESSING = "Healthy", "Degraded", "Paused", "Progressing"
DIGEST, VERSION, MODEL = "slipway/image-digest", "slipway/model-version", "slipway/model"
HASH = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"


@dataclass(frozen=True)
class Analysis:
    """The last analysis before a switch; `name` is that of its AnalysisRun."""

    name: str
    phase: str
    message: str


@dataclass(frozen=True)
class Rollout:
    """What an environment's Rollout wants and runs; digests are those of the pods' annotations.

    `failed` is why the controller gave the wanted digest up by itself;
    `healthy_since` is None while it is not healthy. `judged` is False where what is active
    is the Rollout's first revision, which the controller runs no analysis for, and none was run since.
    `waits` says whether a switch waits for an operator; `aborted_at` is when it was aborted, in ISO 8601.
    """

    namespace: str
    name: str
    phase: str
    message: str
    digest: str | None
    version: str | None
    active: str | None
    active_version: str | None
    preview: str | None
    aborted: bool
    failed: str | None
    healthy_since: datetime | None
    analysis: Analysis | None
    judged: bool = True
    waits: bool = False
    aborted_at: str | None = None

    def healthy_seconds(self, digest: str, now: datetime) -> float | None:
        """Return how long the Rollout has been healthy on `digest`; None while it is not."""
        if self.phase != HEALTHY or self.healthy_since is None or {self.digest, self.active} != {digest}:
            return None
        return max(0.0, (now - self.healthy_since).total_seconds())


@dataclass(frozen=True)
class Pod:
    """A pod with what it runs. `ready` is the pod's own condition."""

    namespace: str
    name: str
    model: str | None
    version: str | None
    digest: str | None
    ready: bool
    revision: str | None
    annotations: dict[str, str]


@dataclass(frozen=True)
class ArgoApplication:
    """Argo CD's view: sync and health in its words, and the commit it is at.

    `namespace` is where it deploys to; `windows` are the sync windows of its project that may hold it, in words.
    """

    name: str
    namespace: str
    sync: str
    health: str
    revision: str | None
    windows: tuple[str, ...] = ()


def rollout(
    found: dict[str, Any], replica_sets: list[dict[str, Any]], runs: list[dict[str, Any]] | None = None
) -> Rollout:
    """Read a Rollout, the ReplicaSets of its namespace, and its AnalysisRuns where there is a first revision."""
    status, meta = found.get("status", {}), found["metadata"]
    owned = {_labels(one).get(HASH): one for one in replica_sets if _owned(one, meta)}
    colours = status.get("blueGreen", {})
    active = owned.get(colours.get("activeSelector") or status.get("stableRS"))
    preview = owned.get(colours.get("previewSelector"))
    phase, message = phase_of(found)
    wanted = _annotations(found["spec"].get("template", {}))
    return Rollout(
        namespace=meta["namespace"],
        name=meta["name"],
        phase=phase,
        message=message,
        digest=wanted.get(DIGEST),
        version=wanted.get(VERSION),
        active=_template(active).get(DIGEST),
        active_version=_template(active).get(VERSION),
        preview=_template(preview).get(DIGEST),
        aborted=bool(status.get("abort")),
        failed=_failed(status, phase, message),
        healthy_since=_healthy_since(status) if phase == HEALTHY else None,
        analysis=_analysis(status),
        judged=not (_has_analysis(found) and is_first(active)) or _passed(active, runs or []),
        waits=_waits(found),
        aborted_at=status.get("abortedAt"),
    )


def is_first(replica_set: dict[str, Any] | None) -> bool:
    """Say whether a ReplicaSet is its Rollout's first revision."""
    return replica_set is not None and _annotations(replica_set).get(REVISION) == "1"


def phase_of(found: dict[str, Any]) -> tuple[str, str]:
    """Return phase and message as `kubectl argo rollouts status` gives them."""
    status, spec = found.get("status", {}), found["spec"]
    observed = str(status.get("observedGeneration", ""))
    generation = found["metadata"].get("generation", 0)
    if observed.isdigit() and int(observed) < generation:
        return PROGRESSING, "waiting for rollout spec update to be observed"
    if status.get("controllerPause") and not status.get("pauseConditions"):
        return PROGRESSING, "waiting for rollout to unpause"
    if spec.get("workloadRef"):  # the workload's generation is not looked at: refuse to call it healthy
        return PROGRESSING, "a Rollout with workloadRef is not judged"
    return status.get("phase") or PROGRESSING, status.get("message", "")


def pod(found: dict[str, Any]) -> Pod:
    """Read a pod; the digest is what the kubelet runs where it reports it, else the annotation's."""
    said, status = _annotations(found), found.get("status", {})
    ran = [str(one.get("imageID", "")).partition("@")[2] for one in status.get("containerStatuses") or []]
    return Pod(
        namespace=found["metadata"]["namespace"],
        name=found["metadata"]["name"],
        model=said.get(MODEL),
        version=said.get(VERSION),
        digest=next((one for one in ran if one == said.get(DIGEST)), None) or next(iter(filter(None, ran)), None),
        ready=_true(status, "Ready"),
        revision=_labels(found).get(HASH),
        annotations={key: value for key, value in said.items() if key.startswith("slipway/")},
    )


def application(found: dict[str, Any], projects: dict[str, dict[str, Any]] | None = None) -> ArgoApplication:
    """Read an Argo CD Application, and the windows of its project where the projects are known."""
    status = found.get("status", {})
    sync = status.get("sync", {})
    health = status.get("health", {}).get("status", "Unknown")
    spec = found.get("spec", {})
    project = (projects or {}).get(spec.get("project", ""), {})
    to = spec.get("destination", {}).get("namespace", "")
    windows = tuple(
        f"{one['kind']} from {one['schedule']} for {one['duration']}"
        for one in project.get("spec", {}).get("syncWindows") or []
    )
    name, state = found["metadata"]["name"], sync.get("status", "Unknown")
    return ArgoApplication(name, to, state, health, sync.get("revision"), windows)


def _failed(status: dict[str, Any], phase: str, message: str) -> str | None:
    # A person's abort and an invalid spec are Degraded too: what to do about them is for a person to say.
    if phase != DEGRADED:
        return None
    last = _analysis(status)
    if status.get("abort") and last is not None and last.phase in ("Failed", "Error", "Inconclusive"):
        return f"analysis {last.name} {last.phase}: {last.message or message}"
    if any(one.get("reason") == "ProgressDeadlineExceeded" for one in status.get("conditions", [])):
        return message or "the progress deadline passed"
    return None


def _analysis(status: dict[str, Any]) -> Analysis | None:
    colours = status.get("blueGreen", {})
    runs = [colours.get(f"{which}PromotionAnalysisRunStatus") for which in ("post", "pre")]
    found = next((one for one in runs if one), None)
    return Analysis(found.get("name", ""), found.get("status", ""), found.get("message", "")) if found else None


def _has_analysis(found: dict[str, Any]) -> bool:
    return bool((found["spec"].get("strategy") or {}).get("blueGreen", {}).get("prePromotionAnalysis"))


def _waits(found: dict[str, Any]) -> bool:
    colours = (found["spec"].get("strategy") or {}).get("blueGreen", {})
    return colours.get("autoPromotionEnabled") is False and not colours.get("autoPromotionSeconds")


def _passed(replica_set: dict[str, Any] | None, runs: list[dict[str, Any]]) -> bool:
    revision = _labels(replica_set).get(HASH) if replica_set else None
    passed = [one for one in runs if one.get("status", {}).get("phase") == "Successful"]
    return any(_labels(one).get(HASH) == revision for one in passed)


def _healthy_since(status: dict[str, Any]) -> datetime | None:
    for one in status.get("conditions", []):
        if one.get("type") == HEALTHY and one.get("status") == "True":
            return datetime.fromisoformat(one["lastTransitionTime"]).astimezone(UTC)
    return None


def _true(status: dict[str, Any], kind: str) -> bool:
    return any(one.get("type") == kind and one.get("status") == "True" for one in status.get("conditions") or [])


def _owned(replica_set: dict[str, Any], meta: dict[str, Any]) -> bool:
    owners = replica_set["metadata"].get("ownerReferences") or []
    return any(one.get("uid") == meta.get("uid") for one in owners)


def _template(replica_set: dict[str, Any] | None) -> dict[str, str]:
    return _annotations(replica_set["spec"]["template"]) if replica_set else {}


def _annotations(found: dict[str, Any]) -> dict[str, str]:
    return found.get("metadata", {}).get("annotations") or {}


def _labels(found: dict[str, Any]) -> dict[str, str]:
    return found["metadata"].get("labels") or {}

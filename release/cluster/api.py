"""What is asked of Kubernetes: Rollouts, pods, Applications; and the two words said to it, resume and abort."""

from __future__ import annotations

from dataclasses import dataclass

from release.cluster.objects import APPS, ROLLOUTS, Object, Objects, open_objects
from release.cluster.rollouts import ArgoApplication, Pod, Rollout, application, is_first, phase_of, pod, rollout
from slipway.errors import BadInput, Unavailable

ARGOCD = "argocd"


@dataclass(frozen=True)
class Cluster:
    """The Rollouts of a cluster and what is beside them."""

    objects: Objects

    def rollouts(self, namespaces: list[str]) -> dict[tuple[str, str], Rollout]:
        """Return the Rollouts of these namespaces by namespace and name."""
        found = self.objects.every(ROLLOUTS, "rollouts", namespaces)
        sets = self.objects.every(APPS, "replicasets", namespaces) if found else []
        beside = _by_namespace(sets)
        new = [space for space, those in beside.items() if any(map(is_first, those))]
        runs = _by_namespace(self.objects.every(ROLLOUTS, "analysisruns", new)) if new else {}
        spaces = [one["metadata"]["namespace"] for one in found]
        read = [rollout(one, beside.get(at, []), runs.get(at)) for one, at in zip(found, spaces, strict=True)]
        return {(one.namespace, one.name): one for one in read}

    def rollout(self, namespace: str, name: str) -> Rollout | None:
        """Return one Rollout; None where there is none."""
        return self.rollouts([namespace]).get((namespace, name))

    def pods(self, namespaces: list[str]) -> list[Pod]:
        """Return the pods that say which model they serve."""
        return [one for one in map(pod, self.objects.pods(namespaces)) if one.model]

    def applications(self, namespace: str = ARGOCD) -> dict[str, ArgoApplication]:
        """Return Argo CD's Applications by name; none where Argo CD is not installed."""
        found = self.objects.every(ROLLOUTS, "applications", [namespace])
        # A help for people: who may not look does without.
        listed = self.objects.every(ROLLOUTS, "appprojects", [namespace], optional=True)
        projects = {one["metadata"]["name"]: one for one in listed}
        read = [application(one, projects) for one in found]
        return {one.name: one for one in read}

    def explain(self, of: Rollout) -> str:
        """Return what the last analysis measured that failed, in its own words."""
        if of.analysis is None:
            return of.message
        found = self.objects.find(of.namespace, "analysisruns", of.analysis.name) or {}
        results = found.get("status", {}).get("metricResults", [])
        bad = [one for one in results if one.get("phase") in ("Failed", "Error", "Inconclusive")]
        said = [f"{one['name']}: {_measured(one)}" for one in bad]
        return "; ".join(filter(None, said)) or of.failed or of.analysis.message or of.message

    def resume(self, namespace: str, name: str) -> Rollout:
        """Do what `kubectl argo rollouts promote` does: clear the pause.

        Raises:
            BadInput: no such Rollout, or it is not paused: there is nothing to resume.
        """
        found = self.objects.get(namespace, "rollouts", name)
        paused = bool(found["spec"].get("paused"))
        waits = found.get("status", {}).get("pauseConditions")
        if not paused and not waits:
            phase, message = phase_of(found)
            raise BadInput(
                f"nothing to resume: the rollout of {namespace}/{name} is not paused",
                expected="a Rollout that is paused",
                found=f"{phase} {message}".strip(),
                hint=f"slipway status {name}",
            )
        if waits:
            self.objects.patch(namespace, "rollouts", name, {"status": {"pauseConditions": None}})
        if paused:
            self.objects.patch(namespace, "rollouts", name, {"spec": {"paused": False}})
        return self._after(namespace, name)

    def abort(self, namespace: str, name: str) -> Rollout:
        """Do what `kubectl argo rollouts abort` does: the active version stays.

        Raises:
            BadInput: no such Rollout, or there is nothing to abort.
        """
        status = self.objects.get(namespace, "rollouts", name).get("status", {})
        if status.get("stableRS") == status.get("currentPodHash"):
            raise BadInput(
                f"nothing to abort: no rollout of {namespace}/{name} is in progress",
                expected="a new version in preview",
                hint=f"slipway rollback {name} --reason …",
            )
        self.objects.patch(namespace, "rollouts", name, {"status": {"abort": True}})
        return self._after(namespace, name)

    def _after(self, namespace: str, name: str) -> Rollout:
        found = self.rollout(namespace, name)
        if found is None:
            raise Unavailable(
                f"the Rollout {namespace}/{name} is gone", expected="one that stays", hint=f"slipway status {name}"
            )
        return found


def open_cluster(kubeconfig: str | None = None, context: str | None = None) -> Cluster:
    """Open the cluster of a kubeconfig, or the one that this process runs in; nothing is asked of it yet.

    Raises:
        Unavailable: neither is there.
    """
    return Cluster(open_objects(kubeconfig, context))


def _by_namespace(found: list[Object]) -> dict[str, list[Object]]:
    beside: dict[str, list[Object]] = {}
    for one in found:
        beside.setdefault(one["metadata"]["namespace"], []).append(one)
    return beside


def _measured(result: Object) -> str:
    last = (result.get("measurements") or [{}])[-1]
    return str(result.get("message") or last.get("message") or last.get("value") or result.get("phase"))

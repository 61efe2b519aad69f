"""What is asked of Kubernetes: Rollouts, pods, Applications; and the two words said to it, resume and abort.

Owns the API client and its patience. A cluster that does not answer is
Unavailable, never an empty list.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from registry.release.cluster.rollouts import Application, Pod, Rollout, application, is_first, phase_of, pod, rollout
from slipway.errors import BadInput, SlipwayError, Unavailable

SECONDS = (3, 10)  # to connect, to answer
ROLLOUTS = ("argoproj.io", "v1alpha1")
ARGOCD = "argocd"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Cluster:
    """An open API client; `where` is the API server's address."""

    where: str
    client: Any = field(repr=False)

    def rollouts(self, namespaces: list[str]) -> dict[tuple[str, str], Rollout]:
        """Return the Rollouts of these namespaces by namespace and name."""
        found = self._lists("rollouts", *ROLLOUTS, namespaces)
        sets = self._lists("replicasets", "apps", "v1", namespaces) if found else []
        beside = _by_namespace(sets)
        new = [space for space, those in beside.items() if any(map(is_first, those))]
        runs = _by_namespace(self._lists("analysisruns", *ROLLOUTS, new)) if new else {}
        spaces = [one["metadata"]["namespace"] for one in found]
        read = [rollout(one, beside.get(at, []), runs.get(at)) for one, at in zip(found, spaces, strict=True)]
        return {(one.namespace, one.name): one for one in read}

    def rollout(self, namespace: str, name: str) -> Rollout | None:
        """Return one Rollout; None where there is none."""
        return self.rollouts([namespace]).get((namespace, name))

    def pods(self, namespaces: list[str]) -> list[Pod]:
        """Return the pods that say which model they serve."""
        from kubernetes.client import CoreV1Api

        api = CoreV1Api(self.client)
        with self.asking("list pods"):
            listed = [
                one
                for each in sorted(set(namespaces))
                for one in api.list_namespaced_pod(each, _request_timeout=SECONDS).items
            ]
        read = [pod(self.client.sanitize_for_serialization(one)) for one in listed]
        return [one for one in read if one.model]

    def applications(self, namespace: str = ARGOCD) -> dict[str, Application]:
        """Return Argo CD's Applications by name; none where Argo CD is not installed."""
        found = self._lists("applications", *ROLLOUTS, [namespace])
        with self.asking("list appprojects"):  # a help for people: who may not look does without
            get = self._custom().list_namespaced_custom_object
            listed = _or([], 403, _or, [], 404, _pages, get, *ROLLOUTS, namespace, "appprojects")
        projects = {one["metadata"]["name"]: one for one in listed}
        read = [application(one, projects) for one in found]
        return {one.name: one for one in read}

    def explain(self, of: Rollout) -> str:
        """Return what the last analysis measured that failed, in its own words."""
        if of.analysis is None:
            return of.message
        get, run = self._custom().get_namespaced_custom_object, of.analysis.name
        with self.asking(f"read the analysis {run}"):
            found = _or({}, 404, get, *ROLLOUTS, of.namespace, "analysisruns", run)
        results = found.get("status", {}).get("metricResults", [])
        bad = [one for one in results if one.get("phase") in ("Failed", "Error", "Inconclusive")]
        said = [f"{one['name']}: {_measured(one)}" for one in bad]
        return "; ".join(filter(None, said)) or of.failed or of.analysis.message or of.message

    def resume(self, namespace: str, name: str) -> Rollout:
        """Do what `kubectl argo rollouts promote` does: clear the pause.

        Raises:
            BadInput: no such Rollout, or it does not wait for anybody.
        """
        with self.asking(f"resume {namespace}/{name}"):
            found = self._raw(namespace, name)
            paused = bool(found["spec"].get("paused"))
            waits = found.get("status", {}).get("pauseConditions")
            if not paused and not waits:
                phase, message = phase_of(found)
                raise BadInput(
                    f"the Rollout {namespace}/{name} does not wait for anybody",
                    expected="a Rollout that is paused",
                    found=f"{phase} {message}".strip(),
                    hint=f"slipway status {name}",
                )
            if waits:
                self._patch(namespace, name, {"status": {"pauseConditions": None}}, status=True)
            if paused:
                self._patch(namespace, name, {"spec": {"paused": False}})
        return self._after(namespace, name)

    def abort(self, namespace: str, name: str) -> Rollout:
        """Do what `kubectl argo rollouts abort` does: the active version stays.

        Raises:
            BadInput: no such Rollout, or there is nothing to abort.
        """
        with self.asking(f"abort {namespace}/{name}"):
            found = self._raw(namespace, name)
            status = found.get("status", {})
            if status.get("stableRS") == status.get("currentPodHash"):
                raise BadInput(
                    f"the Rollout {namespace}/{name} is on its way to nothing new",
                    expected="a new version in preview",
                    hint=f"slipway rollback {name} --reason …",
                )
            self._patch(namespace, name, {"status": {"abort": True}}, status=True)
        return self._after(namespace, name)

    def _after(self, namespace: str, name: str) -> Rollout:
        found = self.rollout(namespace, name)
        if found is None:
            raise Unavailable(
                f"the Rollout {namespace}/{name} is gone", expected="one that stays", hint=f"slipway status {name}"
            )
        return found

    def _raw(self, namespace: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = _or(
            {}, 404, self._custom().get_namespaced_custom_object, *ROLLOUTS, namespace, "rollouts", name
        )
        if not found:
            raise BadInput(
                f"no Rollout {name} in {namespace}",
                expected="what Argo CD makes of the manifests",
                hint=f"slipway status {name}",
            )
        return found

    def _patch(self, namespace: str, name: str, body: dict[str, Any], status: bool = False) -> None:
        api = self._custom()
        patch = api.patch_namespaced_custom_object_status if status else api.patch_namespaced_custom_object
        patch(*ROLLOUTS, namespace, "rollouts", name, body, _request_timeout=SECONDS)

    def _lists(self, plural: str, group: str, version: str, namespaces: list[str]) -> list[dict[str, Any]]:
        wanted, api = sorted(set(namespaces)), self._custom()
        with self.asking(f"list {plural}"):
            # One call for all where that is allowed; a role of single namespaces is asked one by one.
            if len(wanted) > 1:
                found = _or(None, 403, _pages, api.list_cluster_custom_object, group, version, plural)
                if found is not None:
                    return [one for one in found if one["metadata"]["namespace"] in wanted]
            listed = [
                _or([], 404, _pages, api.list_namespaced_custom_object, group, version, each, plural) for each in wanted
            ]
            return [one for items in listed for one in items]

    def _custom(self) -> Any:
        from kubernetes.client import CustomObjectsApi

        return CustomObjectsApi(self.client)

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn whatever goes wrong inside into Unavailable."""
        try:
            yield
        except SlipwayError:
            raise
        except Exception as error:  # urllib3, ssl and the client's own
            raise Unavailable(
                f"the cluster at {self.where} could not {what}",
                found=_said(error),
                hint="see that KUBECONFIG is right (kubectl get rollouts -A), then run the same command again",
            ) from error


def open_cluster(kubeconfig: str | None = None, context: str | None = None) -> Cluster:
    """Open the cluster of a kubeconfig, or the one that this process runs in; nothing is asked of it yet.

    Raises:
        Unavailable: neither is there.
    """
    from kubernetes import client, config

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a refused connection is reported once, by us
    try:
        settings = client.Configuration()
        if kubeconfig or context or not SERVICE_ACCOUNT.exists():
            config.load_kube_config(  # type: ignore[no-untyped-call]
                kubeconfig, context, client_configuration=settings, persist_config=False
            )
        else:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise Unavailable(
            "no Kubernetes cluster is set",
            expected="KUBECONFIG, or a pod's service account",
            found=_said(error),
            hint="export KUBECONFIG=…; SLIPWAY_KUBE_CONTEXT chooses a context in it",
        ) from error
    settings.retries = 0
    return Cluster(settings.host, client.ApiClient(settings))


def _by_namespace(found: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    beside: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        beside.setdefault(one["metadata"]["namespace"], []).append(one)
    return beside


def _pages(call: Any, *where: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    mark: str | None = None
    while True:
        more = {"_continue": mark} if mark else {}
        found = call(*where, limit=500, _request_timeout=SECONDS, **more)
        items += found.get("items", [])
        mark = found.get("metadata", {}).get("continue")
        if not mark:
            return items


def _or(default: Any, code: int, call: Any, *arguments: Any) -> Any:
    from kubernetes.client.exceptions import ApiException

    try:
        return call(*arguments)
    except ApiException as error:
        if error.status != code:
            raise
        return default


def _measured(result: dict[str, Any]) -> str:
    last = (result.get("measurements") or [{}])[-1]
    return str(result.get("message") or last.get("message") or last.get("value") or result.get("phase"))


def _said(error: Exception) -> str:
    status = getattr(error, "status", None)
    reason = getattr(error, "reason", None)
    text = f"{status} {reason}" if status else str(reason or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__

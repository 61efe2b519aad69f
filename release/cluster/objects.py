"""The objects of an API server as plain dictionaries: read, listed, made, changed.

Owns the API client and its patience. A server that does not answer is
Unavailable, never an empty list.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.errors import BadInput, Unavailable

Object = dict[str, Any]

SECONDS = (3, 10)  # to connect, to answer
PAGE = 500
ROLLOUTS, APPS = ("argoproj.io", "v1alpha1"), ("apps", "v1")
KINDS = {"rollouts": "Rollout", "analysistemplates": "AnalysisTemplate", "analysisruns": "AnalysisRun"}
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Objects:
    """An open API client; `where` is the API server's address."""

    where: str
    client: Any = field(repr=False)

    def find(self, namespace: str, plural: str, name: str) -> Object | None:
        """Return one object of Argo Rollouts; None where there is none."""
        get = self._custom().get_namespaced_custom_object
        with self._asking(f"read the {KINDS[plural]} {namespace}/{name}"):
            found: Object | None = _or(None, (404,), get, *ROLLOUTS, namespace, plural, name, _request_timeout=SECONDS)
        return found

    def get(self, namespace: str, plural: str, name: str) -> Object:
        """Return one object of Argo Rollouts.

        Raises:
            BadInput: there is none.
        """
        found = self.find(namespace, plural, name)
        if found is None:
            raise BadInput(
                f"no {KINDS[plural]} {name} in {namespace}",
                expected="what Argo CD makes of the manifests",
                hint=f"kubectl -n {namespace} get {plural}",
            )
        return found

    def make(self, namespace: str, plural: str, body: Object) -> str:
        """Make an object of Argo Rollouts; return the name that it got."""
        create = self._custom().create_namespaced_custom_object
        with self._asking(f"make an {KINDS[plural]} in {namespace}"):
            made = create(*ROLLOUTS, namespace, plural, body, _request_timeout=SECONDS)
        return str(made["metadata"]["name"])

    def patch(self, namespace: str, plural: str, name: str, body: Object) -> None:
        """Merge `body` into an object of Argo Rollouts, its status where `body` holds nothing else."""
        api = self._custom()
        status = set(body) == {"status"}
        merge = api.patch_namespaced_custom_object_status if status else api.patch_namespaced_custom_object
        with self._asking(f"change the {KINDS[plural]} {namespace}/{name}"):
            merge(*ROLLOUTS, namespace, plural, name, body, _request_timeout=SECONDS)

    def every(
        self, kind: tuple[str, str], plural: str, namespaces: list[str], *, optional: bool = False
    ) -> list[Object]:
        """Return what there is of a kind, (group, version), in these namespaces; nothing where it is not installed.

        What is `optional` and may not be looked at counts as nothing.
        """
        wanted, api = sorted(set(namespaces)), self._custom()
        absent = (403, 404) if optional else (404,)
        with self._asking(f"list {plural}"):
            # One call for all where that is allowed; a role of single namespaces is asked one by one.
            if len(wanted) > 1:
                found = _or(None, (403,), _pages, api.list_cluster_custom_object, *kind, plural)
                if found is not None:
                    return [one for one in found if one["metadata"]["namespace"] in wanted]
            each = api.list_namespaced_custom_object
            listed = [_or([], absent, _pages, each, *kind, namespace, plural) for namespace in wanted]
            return [one for items in listed for one in items]

    def pods(self, namespaces: list[str]) -> list[Object]:
        """Return the pods of these namespaces."""
        from kubernetes.client import CoreV1Api

        get = CoreV1Api(self.client).list_namespaced_pod
        with self._asking("list pods"):
            listed = [get(each, _request_timeout=SECONDS).items for each in sorted(set(namespaces))]
        return [self.client.sanitize_for_serialization(one) for items in listed for one in items]

    def _custom(self) -> Any:
        from kubernetes.client import CustomObjectsApi

        return CustomObjectsApi(self.client)

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn whatever goes wrong inside into Unavailable."""
        try:
            yield
        except Exception as error:  # urllib3, ssl and the client's own
            raise Unavailable(
                f"the cluster at {self.where} could not {what}",
                found=_said(error),
                hint="check KUBECONFIG (kubectl get rollouts -A), then run the same command again",
            ) from error


def open_objects(kubeconfig: str | None = None, context: str | None = None) -> Objects:
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
    return Objects(settings.host, client.ApiClient(settings))


def _pages(call: Any, *where: str) -> list[Object]:
    items: list[Object] = []
    mark: str | None = None
    while True:
        more = {"_continue": mark} if mark else {}
        found = call(*where, limit=PAGE, _request_timeout=SECONDS, **more)
        items += found.get("items", [])
        mark = found.get("metadata", {}).get("continue")
        if not mark:
            return items


def _or(default: Any, codes: tuple[int, ...], call: Any, *arguments: Any, **named: Any) -> Any:
    from kubernetes.client.exceptions import ApiException

    try:
        return call(*arguments, **named)
    except ApiException as error:
        if error.status not in codes:
            raise
        return default


def _said(error: Exception) -> str:
    status = getattr(error, "status", None)
    reason = getattr(error, "reason", None)
    text = f"{status} {reason}" if status else str(reason or error)
    return text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__

"""What the API server says of a release, each change with the time it was heard."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from release.wiring import cluster

KINDS = (("argoproj.io", "v1alpha1", "applications"), ("argoproj.io", "v1alpha1", "rollouts"),
         ("argoproj.io", "v1alpha1", "analysisruns"), ("", "v1", "pods"))  # fmt: skip


@dataclass
class Timeline:
    """Watches the objects of a namespace, and the Applications, from a thread a kind."""

    environment: dict[str, str]
    namespace: str
    heard: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _stopped: bool = False

    def start(self) -> Timeline:
        """Begin to listen."""
        for kind in KINDS:
            threading.Thread(target=self._listen, args=kind, daemon=True).start()
        return self

    def stop(self) -> None:
        """Hear no more."""
        self._stopped = True

    def first(self, kind: str, since: float, holds: Callable[[dict[str, Any]], bool], seconds: float = 180) -> float:
        """Return when an object of this kind was first heard to be so, waiting for it."""
        ends, position = time.time() + seconds, 0
        with self._news:
            while True:
                for at, named, found in self.heard[position:]:
                    if named == kind and at >= since and holds(found):
                        return at
                position = len(self.heard)
                if not self._news.wait(max(0.0, ends - time.time())):
                    raise TimeoutError(f"{self.namespace}: no such {kind} within {seconds:g} s")

    def _listen(self, group: str, version: str, plural: str) -> None:
        for found in self._changes(group, version, plural):
            with self._news:
                self.heard.append((time.time(), plural, found))
                self._news.notify_all()

    def _changes(self, group: str, version: str, plural: str) -> Iterator[dict[str, Any]]:
        from kubernetes import client, watch

        api = cluster(self.environment).objects.client
        namespace = "argocd" if plural == "applications" else self.namespace
        core = client.CoreV1Api(api).list_namespaced_pod
        custom = client.CustomObjectsApi(api).list_namespaced_custom_object
        call, words = (custom, (group, version, namespace, plural)) if group else (core, (namespace,))
        while not self._stopped:
            # A server whose cache of a kind lags refuses for a moment; a new watch begins with what is there.
            with contextlib.suppress(client.ApiException):
                for event in watch.Watch().stream(call, *words, timeout_seconds=60):  # type: ignore[no-untyped-call]
                    if self._stopped:
                        return
                    yield event["raw_object"]

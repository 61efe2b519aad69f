from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from registry.options import PATIENCE
from registry.release import oci
from registry.release.acts.context import Context
from registry.release.cluster.api import open_cluster
from registry.release.cluster.placement import asked_of
from registry.release.forge.plain import Plain
from registry.release.record.audit import Audit, open_audit
from registry.release.repository.commits import STAGE, actor, message
from registry.release.repository.manifests import Clone, Remote, cloned
from registry.release.repository.push import Step, step
from registry.release.repository.releasefile import Release, render
from registry.tracking import Tracking, open_store

for variable, value in PATIENCE.items():
    os.environ.setdefault(variable, value)

MODEL = "tiny"
DEADLINE_SECONDS = 120
EMPTY = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
GIT = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org")


@dataclass
class Stand:
    """A stand-in for the API server and the image registry: it answers with the objects that a test put there."""

    port: int = 0
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    down: bool = False

    def rollout(
        self,
        environment: str,
        digest: str,
        version: int,
        *,
        seconds: float = 3600,
        active: str | None = None,
        failed: str = "",
    ) -> None:
        namespace = f"{MODEL}-{environment}"
        runs = active or digest
        since = (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status: dict[str, Any] = {"phase": "Healthy", "stableRS": "a", "currentPodHash": "a" if runs == digest else "b"}
        status |= {"blueGreen": {"activeSelector": "a", "previewSelector": status["currentPodHash"]}}
        status["conditions"] = [{"type": "Healthy", "status": "True", "lastTransitionTime": since}]
        if failed:
            status |= {"phase": "Degraded", "abort": True, "message": failed, "conditions": []}
            status["blueGreen"]["prePromotionAnalysisRunStatus"] = {
                "name": "run",
                "status": "Failed",
                "message": failed,
            }
        said = {"slipway/model": MODEL, "slipway/model-version": str(version), "slipway/image-digest": digest}
        meta = {"name": MODEL, "namespace": namespace, "uid": namespace, "generation": 1}
        self.objects[f"rollouts/{namespace}"] = {
            "metadata": meta, "spec": {"template": {"metadata": {"annotations": said}}}, "status": status,
        }  # fmt: skip
        self.objects[f"replicasets/{namespace}"] = _replica_set(namespace, "a", runs)
        self.objects[f"replicasets/{namespace}/new"] = _replica_set(namespace, "b", digest)

    def items(self, plural: str, namespace: str | None) -> list[dict[str, Any]]:
        found = [one for key, one in self.objects.items() if key.startswith(f"{plural}/")]
        return [one for one in found if namespace in (None, one["metadata"]["namespace"])]


def _replica_set(namespace: str, pod_hash: str, digest: str) -> dict[str, Any]:
    labels = {"rollouts-pod-template-hash": pod_hash}
    meta = {"name": pod_hash, "namespace": namespace, "labels": labels, "ownerReferences": [{"uid": namespace}]}
    return {"metadata": meta, "spec": {"template": {"metadata": {"annotations": {"slipway/image-digest": digest}}}}}


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if made.down:
                self.close_connection = True
                return
            path = self.path.partition("?")[0].strip("/").split("/")
            if path[0] == "v2":
                there = path[-1] in made.images or path == ["v2"]
                self._answer(200 if there else 404, {})
            elif path[-2] == "analysisruns":
                self._answer(404, {"message": "not found"})
            else:
                namespace = path[-2] if "namespaces" in path else None
                self._answer(200, {"metadata": {}, "items": made.items(path[-1], namespace)})

        do_HEAD = do_GET  # noqa: N815

        def _answer(self, code: int, said: dict[str, Any]) -> None:
            content = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def kubeconfig(stand: Stand, tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    named = {"name": "stand"}
    cluster = named | {"cluster": {"server": f"http://127.0.0.1:{stand.port}"}}
    context = named | {"context": {"cluster": "stand", "user": "stand"}}
    made = {"kind": "Config", "apiVersion": "v1", "clusters": [cluster], "contexts": [context]}
    path.write_text(json.dumps(made | {"users": [named | {"user": {}}], "current-context": "stand"}))
    return path


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with the manifests of one model and nothing released."""
    work, bare = tmp_path / "work", tmp_path / "manifests.git"
    for environment in ("staging", "production"):
        overlay = work / f"gitops/apps/{MODEL}/{environment}"
        (overlay / "release").mkdir(parents=True)
        (overlay / "kustomization.yaml").write_text(f"namespace: {MODEL}-{environment}\n")
        (overlay / "release/kustomization.yaml").write_text(EMPTY)
    for words in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Begin")):
        subprocess.run([*GIT, *words], cwd=work, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    return bare


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty migrated store for all workers: making it takes seconds."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    folder = (shared or tmp_path_factory.mktemp("store")) / "promoter-store"
    store, done = folder / "mlflow.db", folder / "done"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not done.exists():
            assert time.monotonic() < deadline, "the other worker did not make the store"
            time.sleep(0.1)
        return store
    open_store(f"sqlite:///{store}").names()
    done.touch()
    return store


@dataclass
class Site:
    """Everything that the release path stands on, with a model of versions 1 to 4; 3 has failed its verdict."""

    remote: Path
    store: str
    stand: Stand
    kubeconfig: Path
    audit: Audit
    bake_seconds: float = 60

    def tracking(self) -> Tracking:
        return open_store(self.store)

    def release(self, version: int) -> Release:
        image = f"127.0.0.1:{self.stand.port}/team/{MODEL}"
        found = next(one for one in self.tracking().versions(MODEL) if one.number == version)
        return Release(MODEL, version, found.run_id, "a" * 40, "b" * 32, "c" * 64, "d" * 64, image, digest(version))

    def put(self, environment: str, version: int) -> None:
        """Release a version in an environment, and let the cluster have it."""
        release = self.release(version)
        with self.clone() as clone:
            step(clone, lambda at: Step({at.path(MODEL, environment): render(release)}, message("Put", STAGE, release)))
        self.stand.rollout(environment, release.digest, version)

    def released(self, environment: str) -> int | None:
        with self.clone() as clone:
            found = clone.release(MODEL, environment)
        return found.version if found else None

    def champion(self, version: int) -> None:
        self.tracking().set_alias(MODEL, "champion", version)

    def aliases(self) -> dict[str, int]:
        return {alias: one.number for one in self.tracking().versions(MODEL) for alias in one.aliases}

    def tags(self, version: int) -> dict[str, str]:
        return next(one.tags for one in self.tracking().versions(MODEL) if one.number == version)

    def requests(self) -> list[str]:
        words = ["git", "for-each-ref", "--format=%(refname:short)", "refs/heads/release"]
        return subprocess.run(words, cwd=self.remote, capture_output=True, text=True, check=True).stdout.split()

    def clone(self) -> contextlib.AbstractContextManager[Clone]:
        return cloned(Remote(str(self.remote), "main", "gitops", actor("Bot <bot@example.org>")))

    @contextlib.contextmanager
    def context(self) -> Iterator[Context]:
        images = oci.Images(oci.credentials([]))
        with self.clone() as clone:
            health = asked_of(clone, self.cluster)
            yield Context(clone, Plain(clone), self.tracking, self.audit, health, images.has, self.bake_seconds)

    def cluster(self) -> Any:
        return open_cluster(str(self.kubeconfig))

    def actions(self) -> list[tuple[str, int]]:
        return [(one.action, one.version) for one in self.audit.entries(MODEL)]


def digest(version: int) -> str:
    return f"sha256:{version:064x}"


@pytest.fixture
def versions() -> Callable[[str, int], None]:
    def make(store: str, port: int) -> None:
        tracking = open_store(store)
        experiment = tracking.prepare(MODEL, None)
        for number in range(1, 5):
            run = tracking.client.create_run(experiment).info.run_id
            tags = {"git_commit": "a" * 40, "data_md5": "b" * 32, "model_sha256": "c" * 64, "golden_sha256": "d" * 64}
            tags |= {"verdict": "failed" if number == 3 else "passed", "image_digest": digest(number)}
            tags["image"] = f"127.0.0.1:{port}/team/{MODEL}"
            tracking.client.create_model_version(MODEL, f"runs:/{run}/model", run_id=run, tags=tags)

    return make


@pytest.fixture
def site(
    empty_store: Path,
    remote: Path,
    stand: Stand,
    kubeconfig: Path,
    tmp_path: Path,
    versions: Callable[[str, int], None],
) -> Site:
    store = tmp_path / "mlflow.db"
    shutil.copy(empty_store, store)
    versions(f"sqlite:///{store}", stand.port)
    stand.images = {digest(number) for number in range(1, 5)}
    audit = open_audit(f"sqlite:///{tmp_path / 'audit.db'}")
    made = Site(remote, f"sqlite:///{store}", stand, kubeconfig, audit)
    made.put("staging", 1)
    made.put("production", 1)
    made.champion(1)
    return made

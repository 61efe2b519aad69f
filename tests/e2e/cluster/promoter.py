"""The promoter on the cluster: its image and its objects."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.fixtures import images
from tests.fixtures.forward import Forward
from tests.fixtures.images import CACHE, ROOT
from tests.fixtures.inside.door import LISTEN
from tests.fixtures.kubectl import get, kubectl, wait
from tests.fixtures.site import Site

NAME = "slipway-promoter"
# Git, MLflow and the registry of the tests are doors: what listens on another port than the policy knows needs a rule.
DOORS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "doors"},
    "spec": {
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "promoter"}},
        "policyTypes": ["Egress"],
        "egress": [{"ports": [{"port": LISTEN}]}],
    },
}
# What a registry on the loopback of the node looks like from a pod: a forwarder beside the promoter.
FORWARDER = """
import asyncio, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
async def pipe(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
async def serve(reader, writer):
    other, out = await asyncio.open_connection("{host}", {port})
    await asyncio.gather(pipe(reader, out), pipe(other, writer), return_exceptions=True)
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", {listen})
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Promoter:
    """A promoter that runs as a pod; `namespace` is of this test alone."""

    site: Site
    namespace: str
    mlflow: str
    manifests: Path

    def says(self, *words: str) -> Any:
        """Type a command in the pod; return what it says as JSON."""
        run = ["python3", "-c", "from slipway.cli import main; main()", *words, "--json"]
        return json.loads(kubectl("-n", self.namespace, "exec", "deploy/promoter", "-c", "promoter", "--", *run))

    @functools.cached_property
    def _way(self) -> Forward:
        port = get("-n", self.namespace, "service", "promoter")["spec"]["ports"][0]["port"]
        return Forward(self.namespace, "service/promoter", port)

    def address(self) -> str:
        """Where its Service answers."""
        return self._way.url

    def close(self) -> None:
        """End the way to it."""
        self._way.close()

    def metric(self, name: str) -> float:
        """Read one of its gauges; below nothing while it does not answer."""
        with contextlib.suppress(httpx.HTTPError, AssertionError):
            lines = httpx.get(f"{self.address()}/metrics", timeout=5).text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
        return -1.0

    def ready(self) -> None:
        """Wait until it has made a pass."""

        def passed() -> bool:
            with contextlib.suppress(httpx.HTTPError, AssertionError):
                return httpx.get(f"{self.address()}/readyz", timeout=5).status_code == 200
            return False

        wait(passed, 240, "the promoter's first pass")

    def log(self) -> str:
        """What it logged, the pods before it too."""
        return kubectl("-n", self.namespace, "logs", "-l", "app.kubernetes.io/name=promoter", "--all-containers",
                       "--tail=-1", check=False)  # fmt: skip


def build(registry: str) -> str:
    """Build the promoter's image as `make promoter-image` does, push it, and return it by digest."""
    tag = f"{registry}/e2e/{NAME}:test"
    settings = {**os.environ, **images.store(CACHE / "containers")}
    base = images.push_base(registry)
    words = ["make", "promoter-image", f"TAG={tag}", f"BASE={base}", "BUILD_OPTIONS=--tls-verify=false --layers"]
    for command in (words, ["buildah", "push", "--quiet", "--tls-verify=false", tag]):
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return f"{tag.rpartition(':')[0]}@{images.inspected(tag)['Digest']}"


@contextlib.contextmanager
def deployed(site: Site, image: str, settings: dict[str, str], forward: tuple[str, int] | None) -> Iterator[str]:
    """Apply gitops/platform/promoter as it stands, under names of the test; return its namespace."""
    namespace, folder = f"{site.name}-platform", site.folder / "promoter"
    subprocess.run(["cp", "-r", str(site.work / "gitops/platform/promoter"), str(folder)], check=True)
    own = f"name: {site.name}-promoter"
    for path in folder.rglob("*.yaml"):
        text = path.read_text().replace("slipway-platform", namespace)
        text = text.replace("name: slipway-promoter\n  namespace", f"{own}\n  namespace")
        path.write_text(text.replace("kind: Role, name: slipway-promoter", f"kind: Role, {own}"))
    release = folder / "release/kustomization.yaml"
    found = yaml.safe_load(release.read_text())
    name, _, digest = image.partition("@")
    found["images"] = [{"name": "slipway-promoter", "newName": name, "digest": digest}]
    release.write_text(yaml.safe_dump(found))
    if forward:
        address, listen = forward
        host, _, port = address.rpartition(":")
        beside = {"name": "registry", "image": image, "command": ["python3", "-c"],
                  "args": [FORWARDER.format(host=host, port=port, listen=listen)],
                  "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                      "capabilities": {"drop": ["ALL"]}}}  # fmt: skip
        add = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": beside}]
        top = folder / "kustomization.yaml"
        patched = yaml.safe_load(top.read_text()) | {"patches": [{"target": {"kind": "Deployment"},
                                                                  "patch": yaml.safe_dump(add)}]}  # fmt: skip
        top.write_text(yaml.safe_dump(patched))
    kubectl("apply", "-f", str(folder / "namespace.yaml"))
    secret = ("SLIPWAY_WEBHOOK_SECRET",)
    for kind, names in (("configmap", set(settings) - set(secret)), ("secret", set(settings) & set(secret))):
        generic = ["generic"] if kind == "secret" else []
        literals = [f"--from-literal={one}={settings[one]}" for one in sorted(names)]
        kubectl("-n", namespace, "create", kind, *generic, "promoter", *literals)
    kubectl("apply", "-k", str(folder))
    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(DOORS))
    try:
        yield namespace
    finally:
        kubectl("-n", "argocd", "delete", "role,rolebinding", f"{site.name}-promoter", "--ignore-not-found")
        kubectl("delete", "namespace", namespace, "--wait=false")

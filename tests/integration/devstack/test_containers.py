"""compose.yaml in containers: built here on Debian, started by podman-compose, used, stopped, and nothing left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.fixtures.act import fresh_clone
from tests.fixtures.images import CACHE, ROOT, store
from tests.fixtures.servers import free_port, wait_until
from tests.integration.registry import project

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]
SERVICES = ("postgres", "redis", "s3", "mlflow", "api", "git", "prometheus", "alertmanager")  # Grafana has no package
PORTS = (*(f"{name.upper()}_PORT" for name in SERVICES), "GRAFANA_PORT")
CERTIFICATES = "/run/certificates.crt"


class Composed:
    """A clone's stack under a name of its own, on free ports, in the image store that tests keep."""

    def __init__(self, folder: Path) -> None:
        self.top = fresh_clone(folder)
        self.name = f"slipway-{uuid.uuid4().hex[:8]}"
        self.ports = {name: free_port() for name in PORTS}
        kept = os.environ | store(CACHE / "containers") | {"SLIPWAY_MODEL_NAME": "tiny"}
        self.environment = kept | {name: str(port) for name, port in self.ports.items()}

    def run(self, *words: str) -> str:
        done = subprocess.run(words, cwd=self.top, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def compose(self, *words: str) -> str:
        files = ("-f", "compose.yaml", "-f", "deploy/compose/debian.yaml")
        return self.run("podman-compose", "-p", self.name, *files, "--profile", "full", *words)

    def slipway(self, *words: str, **environment: str) -> str:
        command = [sys.executable, "-m", "slipway", *words]
        named = self.environment | environment
        done = subprocess.run(command, cwd=self.top, env=named, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def healthy(self, service: str) -> bool:
        words = ["podman", "healthcheck", "run", f"{self.name}_{service}_1"]
        return subprocess.run(words, env=self.environment, capture_output=True, check=False).returncode == 0

    def url(self, service: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[f'{service.upper()}_PORT']}{path}"

    def logs(self) -> str:
        words = [["podman", "logs", "--tail", "20", f"{self.name}_{name}_1"] for name in SERVICES]
        done = [subprocess.run(one, env=self.environment, capture_output=True, text=True, check=False) for one in words]
        return "\n".join(f"{one[-1]}\n{each.stdout}{each.stderr}" for one, each in zip(words, done, strict=True))


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Composed]:
    made = Composed(tmp_path)
    yield made
    made.compose("down", "--volumes")


def build(composed: Composed) -> None:
    layout = CACHE / "debian-base"
    composed.run(str(ROOT / "image/debian-base"), str(layout))
    base = "localhost/debian-python:bookworm"
    composed.run("skopeo", "copy", "--quiet", f"oci:{layout}:base", f"containers-storage:{base}")
    options = ""
    if certificates := os.environ.get("SSL_CERT_FILE"):  # of a network whose packages come through a proxy
        arguments = " ".join(f"--build-arg {name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT"))
        options = f"--volume {certificates}:{CERTIFICATES}:ro {arguments}"
    composed.run("make", "compose-images", f"BASE={base}", f"BUILD_OPTIONS={options}")


def test_the_stack_in_containers(composed: Composed) -> None:
    build(composed)
    before = left(composed)
    composed.slipway("stack", "secrets")
    composed.compose("up", "-d", *SERVICES)
    for service in SERVICES:
        wait_until(partial(composed.healthy, service), 180, f"{service} being healthy")
    _a_version_is_registered_served_and_written_down(composed)
    _a_changed_line_is_served(composed)
    _prometheus_sees_the_api_and_knows_alertmanager(composed)
    _the_git_server_takes_a_push(composed)
    _no_container_has_more_rights_than_it_needs(composed)
    composed.compose("down", "--volumes")
    assert left(composed) == before


def left(composed: Composed) -> dict[str, set[str]]:
    """What stays of a stack besides images."""
    kinds = {"container": ["--all"], "pod": [], "network": [], "volume": []}
    return {kind: set(composed.run("podman", kind, "ls", *words, "--quiet").split()) for kind, words in kinds.items()}


def _a_version_is_registered_served_and_written_down(composed: Composed) -> None:
    folder = composed.top.parent / "tiny"
    folder.mkdir()
    project.make(folder)
    project.git(folder, "init", "-q", "-b", "main")
    project.commit(folder)
    composed.slipway("register", "--allow-dirty", "-C", str(folder), MLFLOW_TRACKING_URI=composed.url("mlflow"))
    wait_until(lambda: _version(composed) == "1", 120, f"version 1 being served\n{composed.logs()}")
    rows = json.loads((folder / "model/golden.json").read_bytes())["rows"][:1]
    said = httpx.post(composed.url("api", "/predict"), json={"rows": rows}, headers=_headers(composed))
    assert said.status_code == 200, said.text
    written = re.compile(r"^slipway_journal_written_total [1-9]", re.MULTILINE)
    wait_until(lambda: bool(written.search(_metrics(composed))), 30, "a row in PostgreSQL")


def _version(composed: Composed) -> str | None:
    try:
        answer = httpx.get(composed.url("api", "/version"), headers=_headers(composed))
    except httpx.TransportError:
        return None
    return str(answer.json()["model"]["version"]) if answer.status_code == 200 else None


def _headers(composed: Composed) -> dict[str, str]:
    return {"authorization": f"Bearer {composed.slipway('token').strip()}"}


def _metrics(composed: Composed) -> str:
    try:
        return httpx.get(composed.url("api", "/metrics")).text
    except httpx.TransportError:
        return ""


def _a_changed_line_is_served(composed: Composed) -> None:
    module = composed.top / "serving/metrics.py"
    text = module.read_text()
    assert '"Rows predicted."' in text
    module.write_text(text.replace('"Rows predicted."', '"Rows predicted anew."'))
    wait_until(lambda: "Rows predicted anew." in _metrics(composed), 60, "the changed code being served")


def _prometheus_sees_the_api_and_knows_alertmanager(composed: Composed) -> None:
    def answer(query: str) -> list[object]:
        said = httpx.get(composed.url("prometheus", "/api/v1/query"), params={"query": query}).raise_for_status()
        found: list[object] = said.json()["data"]["result"]
        return found

    wait_until(lambda: bool(answer('up{job="slipway-api"} == 1')), 60, "a scrape of the API")
    found = httpx.get(composed.url("prometheus", "/api/v1/alertmanagers")).json()["data"]["activeAlertmanagers"]
    assert found
    groups = httpx.get(composed.url("prometheus", "/api/v1/rules")).json()["data"]["groups"]
    assert sum(len(group["rules"]) for group in groups) >= 13
    assert httpx.get(composed.url("alertmanager", "/-/ready")).status_code == 200


def _the_git_server_takes_a_push(composed: Composed) -> None:
    remote = f"git://127.0.0.1:{composed.ports['GIT_PORT']}/gitops.git"
    composed.run("git", "push", "--quiet", remote, "HEAD:main")
    head = composed.run("git", "rev-parse", "HEAD").strip()
    assert head in composed.run("git", "ls-remote", remote, "refs/heads/main")


def _no_container_has_more_rights_than_it_needs(composed: Composed) -> None:
    for name in ("mlflow", "api", "git"):
        (said,) = json.loads(composed.run("podman", "inspect", f"{composed.name}_{name}_1"))
        assert said["EffectiveCaps"] in (None, [])
        assert "no-new-privileges" in " ".join(said["HostConfig"]["SecurityOpt"])
        assert composed.run("podman", "exec", f"{composed.name}_{name}_1", "id", "-u").strip() == "1034"

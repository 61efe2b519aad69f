"""MLflow's own server calls the promoter, and nobody else can."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from registry.release.promoter.delivery import sign
from tests.fixtures.browser import browsing
from tests.fixtures.servers import free_port

SECRET = "a-secret-that-both-sides-know-1234"
DEADLINE_SECONDS = 60


@dataclass
class Running:
    """A promoter, as a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def deliver(self, body: bytes, delivery: str = "", at: float = 0, secret: str = SECRET) -> int:
        delivery, stamp = delivery or uuid.uuid4().hex, str(int(at or time.time()))
        headers = {"X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": stamp}
        headers["X-MLflow-Signature"] = sign(secret, delivery, stamp, body)
        return httpx.post(f"{self.url}/mlflow", content=body, headers=headers).status_code


def until(there: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if there():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=2).status_code == 200
    return False


@contextlib.contextmanager
def started(
    command: list[str], environment: dict[str, str], ready: str, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment, start_new_session=True
        )
    try:
        until(lambda: answers(ready) or process.poll() is not None, log)
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)


@pytest.fixture
def mlflow(site: Any, tmp_path: Path) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    words = ["server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2], "--workers", "1"]
    words += ["--backend-store-uri", site.store, "--artifacts-destination", str(tmp_path / "artifacts")]
    said = {
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MLFLOW_WEBHOOK_CACHE_TTL": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with started([sys.executable, "-m", "mlflow", *words], said, f"{url}/health", tmp_path / "mlflow.log"):
        yield url


def settings(site: Any, mlflow: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": mlflow,
        "SLIPWAY_GITOPS_REMOTE": str(site.remote),
        "SLIPWAY_AUDIT_URL": str(site.audit.engine.url),
        "SLIPWAY_ACTOR": "Promoter <promoter@example.org>",
        "SLIPWAY_WEBHOOK_SECRET": SECRET,
        "SLIPWAY_BAKE_SECONDS": "60",
        "KUBECONFIG": str(site.kubeconfig),
    }


@contextlib.contextmanager
def promoting(site: Any, mlflow: str, folder: Path, every: float, port: int = 0) -> Iterator[Running]:
    port, log = port or free_port(), folder / "promoter.log"
    url, slipway = f"http://127.0.0.1:{port}", str(Path(sys.executable).with_name("slipway"))
    command = [slipway, "webhook", "--port", str(port), "--every", str(every), "-C", str(folder)]
    with started(command, settings(site, mlflow), f"{url}/readyz", log) as process:
        yield Running(url, process, log)


@pytest.fixture
def promoter(site: Any, mlflow: str, tmp_path: Path) -> Iterator[Running]:
    # So long between passes that only a delivery can have been what woke it.
    with promoting(site, mlflow, tmp_path, every=3600) as running:
        command = [str(Path(sys.executable).with_name("slipway")), "webhook", "--register", f"{running.url}/mlflow"]
        done = subprocess.run(
            command, env=os.environ | settings(site, mlflow), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        yield running


def event(name: str = "tiny", alias: str = "champion") -> bytes:
    said = {
        "entity": "model_version_alias",
        "action": "created",
        "data": {"name": name, "alias": alias, "version": "4"},  # a lie: what counts is what MLflow says
    }
    return json.dumps(said).encode()


@pytest.mark.long
def test_what_is_not_signed_recent_and_new_changes_nothing(site: Any, tmp_path: Path) -> None:
    with promoting(site, site.store, tmp_path, every=3600) as promoter:
        site.put("staging", 2)
        site.champion(2)
        assert promoter.deliver(event(), secret="b" * 32) == 401
        assert promoter.deliver(event(), at=time.time() - 301) == 401
        assert promoter.deliver(event(), at=time.time() + 302) == 401
        assert httpx.post(f"{promoter.url}/mlflow", content=event()).status_code == 401
        assert promoter.deliver(b"x" * 70_000) == 413
        assert promoter.deliver(event(alias="challenger")) == 202
        assert promoter.deliver(event(name="../../etc")) == 202
        assert promoter.deliver(b"[" * 5000) == 202
        assert site.requests() == []
        assert promoter.deliver(event(), delivery="one") == 202
        until(lambda: site.requests() == ["release/tiny/2"], promoter.log)
        assert promoter.deliver(event(), delivery="one") == 409
        assert answers(f"{promoter.url}/livez")
        promoter.process.send_signal(signal.SIGTERM)
        assert promoter.process.wait(30) in (0, -signal.SIGTERM)
        said = promoter.log.read_text()
        assert SECRET not in said
        assert all(json.loads(line)["at"] for line in said.splitlines() if line.startswith("{"))


@pytest.mark.long
def test_an_alias_that_a_client_moves_becomes_a_request_and_a_lost_call_only_costs_time(
    site: Any, mlflow: str, promoter: Running, tmp_path: Path
) -> None:
    site.put("staging", 2)
    replace(site, store=mlflow).champion(2)
    until(lambda: site.requests() == ["release/tiny/2"], promoter.log)

    os.killpg(promoter.process.pid, signal.SIGKILL)
    promoter.process.wait(20)
    replace(site, store=mlflow).champion(4)  # nobody hears it, and it may not go there
    with promoting(site, mlflow, tmp_path, every=1) as again:
        until(lambda: site.aliases()["champion"] == 2, again.log)
    assert "staged" in site.tags(4)["promotion_refused"]


@pytest.mark.long
def test_an_alias_that_is_moved_in_the_web_page_becomes_a_request(
    site: Any, mlflow: str, promoter: Running, tmp_path: Path
) -> None:
    site.put("staging", 2)
    with browsing(tmp_path / "profile", f"{mlflow}/#/models/tiny/versions/2") as page:
        page.click("document.querySelector('[aria-label=\"Add aliases\"], [title=\"Add aliases\"]')"
                   " || [...document.querySelectorAll('button')].find(b => /Add alias/.test(b.innerText))")  # fmt: skip
        page.until("!!document.querySelector('[role=dialog] input')")
        page.click("document.querySelector('[role=dialog] input')")
        page.type("champion")
        page.press("Enter", 13)
        page.until("/champion/.test(document.querySelector('[role=dialog]').innerText)")
        page.click("[...document.querySelectorAll('[role=dialog] button')].find(b => /Save/.test(b.innerText))")
        until(lambda: site.aliases()["champion"] == 2, promoter.log)
    until(lambda: site.requests() == ["release/tiny/2"], promoter.log)

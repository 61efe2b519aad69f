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
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from release.promoter.delivery import sign
from tests.fixtures.browser import browsing
from tests.fixtures.mlflow_server import WEBHOOK_SECRET, serving_mlflow
from tests.fixtures.processes import answers, started
from tests.fixtures.servers import free_port, wait_until
from tests.integration.promoter.conftest import PromoterSite

DEADLINE_SECONDS = 60


@dataclass
class Running:
    """A promoter, as a process of its own."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def deliver(self, body: bytes, delivery: str = "", at: float = 0, secret: str = WEBHOOK_SECRET) -> int:
        delivery, stamp = delivery or uuid.uuid4().hex, str(int(at or time.time()))
        headers = {"X-MLflow-Delivery-Id": delivery, "X-MLflow-Timestamp": stamp}
        headers["X-MLflow-Signature"] = sign(secret, delivery, stamp, body)
        return httpx.post(f"{self.url}/mlflow", content=body, headers=headers).status_code


@pytest.fixture
def mlflow(site: PromoterSite, tmp_path: Path) -> Iterator[str]:
    with serving_mlflow(site.store, str(tmp_path / "artifacts"), tmp_path / "mlflow.log") as url:
        yield url


def settings(site: PromoterSite, mlflow: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": mlflow,
        "SLIPWAY_GITOPS_REMOTE": str(site.remote),
        "SLIPWAY_AUDIT_URL": str(site.audit.engine.url),
        "SLIPWAY_ACTOR": "Promoter <promoter@example.org>",
        "SLIPWAY_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SLIPWAY_BAKE_SECONDS": "60",
        "KUBECONFIG": str(site.kubeconfig),
    }


@contextlib.contextmanager
def promoting(site: PromoterSite, mlflow: str, folder: Path, every: float, port: int = 0) -> Iterator[Running]:
    port, log = port or free_port(), folder / "promoter.log"
    url, slipway = f"http://127.0.0.1:{port}", str(Path(sys.executable).with_name("slipway"))
    command = [slipway, "webhook", "--port", str(port), "--every", str(every), "-C", str(folder)]
    with started(command, settings(site, mlflow), f"{url}/readyz", log) as process:
        yield Running(url, process, log)


@pytest.fixture
def promoter(site: PromoterSite, mlflow: str, tmp_path: Path) -> Iterator[Running]:
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
def test_what_is_not_signed_recent_and_new_changes_nothing(site: PromoterSite, tmp_path: Path) -> None:
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
        wait_until(lambda: site.requests() == ["release/tiny/2"], DEADLINE_SECONDS)
        assert promoter.deliver(event(), delivery="one") == 409
        assert answers(f"{promoter.url}/livez")
        promoter.process.send_signal(signal.SIGTERM)
        assert promoter.process.wait(30) in (0, -signal.SIGTERM)
        said = promoter.log.read_text()
        assert WEBHOOK_SECRET not in said
        assert all(json.loads(line)["time"] for line in said.splitlines() if line.startswith("{"))


@pytest.mark.long
def test_an_alias_that_a_client_moves_becomes_a_request_and_a_lost_call_only_costs_time(
    site: PromoterSite, mlflow: str, promoter: Running, tmp_path: Path
) -> None:
    site.put("staging", 2)
    replace(site, store=mlflow).champion(2)
    wait_until(lambda: site.requests() == ["release/tiny/2"], DEADLINE_SECONDS)

    os.killpg(promoter.process.pid, signal.SIGKILL)
    promoter.process.wait(20)
    replace(site, store=mlflow).champion(4)  # nobody hears it, and it may not go there
    with promoting(site, mlflow, tmp_path, every=1):
        wait_until(lambda: site.aliases()["champion"] == 2, DEADLINE_SECONDS)
    assert "staged" in site.tags(4)["promotion_refused"]


@pytest.mark.long
def test_an_alias_that_is_moved_in_the_web_page_becomes_a_request(
    site: PromoterSite, mlflow: str, promoter: Running, tmp_path: Path
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
        wait_until(lambda: site.aliases()["champion"] == 2, DEADLINE_SECONDS)
    wait_until(lambda: site.requests() == ["release/tiny/2"], DEADLINE_SECONDS)

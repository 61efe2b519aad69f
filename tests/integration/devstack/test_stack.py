"""One stack on free ports, from the first `up` to the last `down`: real servers, the real command."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.fixtures.servers import free_port, wait_until
from tests.integration.registry import project

ROOT = Path(__file__).parents[3]
COPIED = ("serving", "journal", "slipway", "devstack", "registry", "gitops/platform/monitoring")
SERVICES = ("api", "mlflow", "postgres", "redis", "s3", "prometheus", "alertmanager")


class Stack:
    """The command, in a project of its own with a copy of the code."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = top / "var/stack"
        self.ports = {name: free_port() for name in SERVICES}

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "slipway", *words]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
        clean |= {"PYTHONPATH": str(self.top)} | environment
        return subprocess.run(command, cwd=self.top, env=clean, capture_output=True, text=True, check=False)

    def up(self) -> dict[str, dict[str, Any]]:
        words = [word for name, port in self.ports.items() for word in ("--port", f"{name}={port}")]
        done = self.run("stack", "up", "--json", *words)
        assert done.returncode == 0, done.stderr
        return {found["name"]: found for found in json.loads(done.stdout)["services"]}

    def url(self, service: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def environment(self) -> dict[str, str]:
        lines = self.run("stack", "env").stdout.splitlines()
        return dict(line.removeprefix("export ").split("=", 1) for line in lines)

    def prometheus(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(self.url("prometheus", f"/api/v1/{path}"), params=parameters).raise_for_status().json()
        assert answer["status"] == "success"
        return answer["data"]


@pytest.fixture
def stack() -> Iterator[Stack]:
    # Not below pytest's own folder: each other pytest that starts shuts it against PostgreSQL's user.
    with tempfile.TemporaryDirectory(prefix="slipway-stack-test-") as folder:
        made = Stack(_project(Path(folder) / "project"))
        yield made
        made.run("stack", "down")


def _project(top: Path) -> Path:
    project.make(top)
    project.git(top, "init", "-q", "-b", "main")
    (top / ".gitignore").write_text("/var/\n/model/\n/data/\n/reports/predictions.parquet\n")
    project.commit(top)
    for part in COPIED:
        shutil.copytree(ROOT / part, top / part, ignore=shutil.ignore_patterns("__pycache__"))
    return top


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_stack_from_the_first_start_to_the_last_stop(stack: Stack) -> None:
    first = stack.up()
    assert {name: found["state"] for name, found in first.items()} == dict.fromkeys(SERVICES, "healthy") | {
        "api": "waiting"
    }
    _a_registered_version_is_served(stack)
    _a_changed_line_is_served(stack)
    _a_prediction_is_written_down(stack)
    _prometheus_knows_every_rule_and_answers_every_panel(stack)
    _no_secret_stands_where_others_read(stack)
    second = stack.up()
    assert {name: found["pid"] for name, found in second.items()} == {
        name: found["pid"] for name, found in first.items()
    }
    _a_database_that_refuses_is_told_of_within_a_minute(stack)
    _nothing_is_left(stack)
    third = stack.up()
    assert third["api"]["state"] == "healthy"  # the registered version outlived the stop
    os.kill(int((stack.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    assert "had lost their supervisor" in _nothing_is_left(stack)


def _a_registered_version_is_served(stack: Stack) -> None:
    done = stack.run("register", "--allow-dirty", **stack.environment())
    assert done.returncode == 0, done.stderr + done.stdout
    wait_until(lambda: _version(stack) == "1", 60, "version 1 being served")


def _version(stack: Stack) -> str | None:
    try:
        answer = httpx.get(stack.url("api", "/version"), headers=_headers(stack))
    except httpx.TransportError:
        return None
    found: str = answer.raise_for_status().json()["model"]["version"]
    return found


def _headers(stack: Stack) -> dict[str, str]:
    return {"authorization": f"Bearer {stack.run('token').stdout.strip()}"}


def _a_changed_line_is_served(stack: Stack) -> None:
    module = stack.top / "serving/metrics.py"
    text = module.read_text()
    assert '"Rows predicted."' in text
    module.write_text(text.replace('"Rows predicted."', '"Rows predicted anew."'))

    def changed() -> bool:
        try:
            return "Rows predicted anew." in httpx.get(stack.url("api", "/metrics")).text
        except httpx.TransportError:
            return False

    wait_until(changed, 30, "the changed code being served")


def _a_prediction_is_written_down(stack: Stack) -> None:
    _predict(stack)
    pattern = re.compile(r"^slipway_journal_written_total [1-9]", re.MULTILINE)
    wait_until(lambda: bool(pattern.search(httpx.get(stack.url("api", "/metrics")).text)), 30, "a row in PostgreSQL")


def _predict(stack: Stack) -> None:
    rows = json.loads((stack.top / "model/golden.json").read_bytes())["rows"][:1]
    answer = httpx.post(stack.url("api", "/predict"), json={"rows": rows}, headers=_headers(stack))
    assert answer.status_code == 200, answer.text


def _prometheus_knows_every_rule_and_answers_every_panel(stack: Stack) -> None:
    wait_until(lambda: bool(stack.prometheus("query", query='up{job="slipway-api"} == 1')["result"]), 60, "a scrape")
    wait_until(lambda: _rule_healths(stack) == {"ok"}, 60, "every rule being evaluated")
    time_to_rate = time.monotonic() + 60
    dashboard = json.loads((ROOT / "gitops/platform/monitoring/dashboards/api.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    # What has no series on a healthy machine: nothing fires, nothing was shed.
    empty = {query for query in queries if query.startswith("ALERTS") or "slipway_shed_total" in query}
    while missing := {query for query in queries if not _result(stack, query)} - empty:
        assert time.monotonic() < time_to_rate, f"no data for {missing}"
        time.sleep(0.5)


def _result(stack: Stack, query: str) -> Any:
    return stack.prometheus("query", query=query.replace("$__rate_interval", "5m"))["result"]


def _rule_healths(stack: Stack) -> set[str]:
    groups = stack.prometheus("rules")["groups"]
    return {rule["health"] for group in groups for rule in group["rules"]}


def _no_secret_stands_where_others_read(stack: Stack) -> None:
    kept = json.loads((stack.folder / "credentials.json").read_text())
    secrets = [value for name, value in kept.items() if name != "postgres_user"]
    files = [path for path in stack.folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    for path in [*files, *(stack.folder / "logs").iterdir()]:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in content], path
    marked = [process for process in psutil.process_iter() if _belongs(process, stack.folder)]
    assert len(marked) > len(SERVICES)
    for process in marked:
        assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]


def _a_database_that_refuses_is_told_of_within_a_minute(stack: Stack) -> None:
    url = stack.environment()["SLIPWAY_DATABASE_URL"]
    _set_read_only(url, "SET default_transaction_read_only = on")
    _predict(stack)
    wait_until(lambda: "SlipwayJournalFails" in _alerts(stack), 60, "the alert")
    _set_read_only(url, "RESET default_transaction_read_only")
    wait_until(lambda: "SlipwayJournalFails" not in _alerts(stack), 180, "the alert being over")


def _set_read_only(url: str, change: str) -> None:
    with psycopg.connect(url.replace("/journal", "/postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE journal {change}".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'journal'")


def _alerts(stack: Stack) -> set[str]:
    answer = httpx.get(stack.url("alertmanager", "/api/v2/alerts"), params={"active": "true"}).raise_for_status()
    return {alert["labels"]["alertname"] for alert in answer.json()}


def _nothing_is_left(stack: Stack) -> str:
    done = stack.run("stack", "down")
    assert done.returncode == 0, done.stderr
    assert not [process for process in psutil.process_iter() if _belongs(process, stack.folder)]
    for port in stack.ports.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    inner = json.loads((stack.folder / "stack.json").read_text())["inner"]
    assert not [path for port in inner for path in Path("/tmp").glob(f"*-{port}.sock")]  # noqa: S108
    return done.stdout


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get("SLIPWAY_STACK") == str(folder) or str(folder) in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_a_taken_port_is_named_with_who_holds_it_and_nothing_is_started(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.ports["redis"]))
        taken.listen()
        words = [word for name, port in stack.ports.items() for word in ("--port", f"{name}={port}")]
        done = stack.run("stack", "up", "--model", "tiny", *words, PYTHONPATH=str(ROOT))
    assert done.returncode == 5
    assert f"port {stack.ports['redis']} of redis is taken" in done.stderr
    assert f"process {os.getpid()}" in done.stderr
    assert not (stack.folder / "supervisord.pid").exists()
    assert not (stack.folder / "stack.json").exists()


def test_a_stack_that_never_was_is_down_and_has_no_status(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    assert stack.run("stack", "down", PYTHONPATH=str(ROOT)).returncode == 0
    done = stack.run("stack", "status", PYTHONPATH=str(ROOT))
    assert done.returncode == 3
    assert "slipway stack up" in done.stderr


def test_a_port_of_no_service_is_bad_input(tmp_path: Path) -> None:
    done = Stack(tmp_path).run("stack", "up", "--model", "tiny", "--port", "mongo=1", PYTHONPATH=str(ROOT))
    assert done.returncode == 3
    assert "mongo=1" in done.stderr

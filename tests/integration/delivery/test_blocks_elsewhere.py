"""Blocks of pages that need Docker, a cluster or GitHub, typed as they stand: what is outside notes what it is asked.

Everything else is real: make, Git, PostgreSQL's psql, openssl, MLflow's server and slipway itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.fixtures.act import Here, fresh_clone
from tests.fixtures.mlflow_server import serving_mlflow
from tests.fixtures.pages import ROOT, held_by
from tests.fixtures.servers import Postgres
from tests.fixtures.shell import Shell

FILE = "tests/integration/delivery/test_blocks_elsewhere.py"
SECONDS = 120.0
KIND = """\
case "$*" in
  "get nodes"*) echo slipway-control-plane ;;
  "create cluster"*) cat > /dev/null ;;
  "export kubeconfig"*) echo "apiVersion: v1" > "$KUBECONFIG" ;;
esac"""
GATEWAYS = "fc00:f853:ccd:e793::1\n172.18.0.1\n"  # as Docker prints those of kind's network
DOCKER = """\
case "$*" in
  inspect*) exit 1 ;;
  "exec -i"*) cat > /dev/null ;;
  "network inspect kind -f {{range .IPAM.Config}}{{println .Gateway}}{{end}}") echo "$GATEWAYS" ;;
  "network inspect"*) exit 1 ;;
esac"""
KUBECTL = 'case "$*" in "apply --filename -") cat > /dev/null ;; esac'
Open = Callable[..., Shell]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    fresh_clone(tmp_path)
    return Here(tmp_path)


@pytest.fixture
def shell(here: Here) -> Iterator[Open]:
    opened: list[Shell] = []

    def make(first: Path | None = None, **settings: str) -> Shell:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLIPWAY_", "MLFLOW_"))}
        places = [here.folder / "bin", first, Path(sys.executable).parent]
        clean["PATH"] = os.pathsep.join([*(str(place) for place in places if place), os.environ["PATH"]])
        opened.append(Shell(here.clone, clean | {"COLUMNS": "160", "NO_COLOR": "1"} | settings))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def types(shell: Shell, test: str) -> list[str]:
    """Type the blocks that name `test`; return the lines that came."""
    lines: list[str] = []
    for step in [step for block in held_by(f"{FILE}::{test}") for step in block.steps]:
        printed, code = shell.run(step.command, SECONDS)
        assert code == 0, f"{step.command} ended with {code}:\n" + "\n".join(printed)
        lines += printed
    return lines


def value(shell: Shell, name: str) -> str:
    printed, _ = shell.run(f'printf "%s\\n" "${name}"', 10)
    return printed[-1]


def manifests(folder: str) -> list[dict[str, Any]]:
    """Read every object below a folder of gitops/."""
    files = sorted((ROOT / "gitops" / folder).rglob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]


def test_a_cluster_of_kind(here: Here, shell: Open) -> None:
    for name, script in {"kind": KIND, "docker": DOCKER, "kubectl": KUBECTL}.items():
        here.program(name, script)
    typed = shell(GATEWAYS=GATEWAYS)
    types(typed, "test_a_cluster_of_kind")
    assert Path(value(typed, "KUBECONFIG")).read_text() == "apiVersion: v1\n"
    assert value(typed, "HOST") == "172.18.0.1"  # a node reaches this machine there; the first one is no IPv4
    (started,) = [one for one in here.asked("docker") if one.startswith("run ")]
    assert value(typed, "REGISTRY").replace("localhost", "127.0.0.1") + ":5000" in started


@pytest.mark.long
def test_the_secret_of_the_webhook(here: Here, shell: Open, tmp_path: Path) -> None:
    here.program("kubectl")
    with serving_mlflow(f"sqlite:///{tmp_path / 'mlflow.db'}", str(tmp_path), tmp_path / "mlflow.log") as url:
        typed = shell(MLFLOW_TRACKING_URI=url, SLIPWAY_WEBHOOK_SECRET="the-former-secret-of-the-webhook")
        register = held_by(f"{FILE}::test_the_secret_of_the_webhook")[0].steps[-1].command
        assert typed.run(register, SECONDS)[1] == 0
        types(typed, "test_the_secret_of_the_webhook")
        from mlflow import MlflowClient

        (webhook,) = MlflowClient(url).list_webhooks()
    patch, restart = here.asked("kubectl")
    secret = json.loads(patch.partition(" -p ")[2])["stringData"]["SLIPWAY_WEBHOOK_SECRET"]
    assert secret == value(typed, "SLIPWAY_WEBHOOK_SECRET")
    assert re.fullmatch("[0-9a-f]{64}", secret)
    named = {(one["kind"], one["metadata"]["name"]): one for one in manifests("platform/promoter") if "metadata" in one}
    deployment = json.dumps(named["Deployment", "promoter"])
    assert patch.startswith("-n slipway-platform patch secret promoter -p")
    assert '{"secretRef": {"name": "promoter"}}' in deployment
    assert restart == "-n slipway-platform rollout restart deployment promoter"
    assert '"namespace": "slipway-platform"' in deployment
    service = json.dumps(named["Service", "promoter"])
    assert webhook.url == "http://promoter.slipway-platform:8100/mlflow"
    assert '"namespace": "slipway-platform"' in service
    assert '"port": 8100' in service


@pytest.mark.long
def test_the_password_of_the_journal(here: Here, shell: Open, postgres: Postgres) -> None:
    here.program("kubectl")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'journal_writer'"
        connection.execute("CREATE ROLE journal_writer LOGIN PASSWORD 'before'")
        before = connection.execute(stored).fetchone()
        types(shell(postgres.program("psql").parent, ADMIN_URL=postgres.url()), "test_the_password_of_the_journal")
        assert connection.execute(stored).fetchone() != before
        connection.execute("DROP ROLE journal_writer")
    patch, restart = here.asked("kubectl")
    assert patch.startswith("-n flight-delay-production patch secret flight-delay -p ")
    assert list(json.loads(patch.partition(" -p ")[2])["stringData"]) == ["SLIPWAY_DATABASE_URL"]
    assert restart == "argo rollouts restart flight-delay -n flight-delay-production"
    rollout = next(one for one in manifests("base") if one.get("kind") == "Rollout")
    assert rollout["metadata"]["name"] == "MODEL"
    assert '{"secretRef": {"name": "MODEL"}}' in json.dumps(rollout)
    (overlay,) = (one for one in manifests("apps/flight-delay/production") if "namespace" in one)
    assert overlay["namespace"] == "flight-delay-production"
    assert "name=flight-delay" in json.dumps(overlay["configMapGenerator"])

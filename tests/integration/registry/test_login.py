"""MLflow's server with a login, started as docs/how-to/cloud-stores.md says, on PostgreSQL and S3; who it refuses."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from mlflow.server import get_app_client

from tests.fixtures.pages import ROOT, Block, agrees, blocks
from tests.fixtures.servers import free_port
from tests.fixtures.shell import Shell
from tests.integration.s3 import S3

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"),
]
PAGE = ROOT / "docs/how-to/cloud-stores.md"
SECRET = "no-such-password-anywhere"
SECONDS = 240.0  # several workers import MLflow at once
LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def typed() -> list[Block]:
    """The page's blocks on MLflow's server, from its migrations to its second user."""
    found = [each for each in blocks(PAGE) if each.language == "console"]
    first = next(n for n, each in enumerate(found) if "mlflow-login.ini" in each.body)
    last = max(n for n, each in enumerate(found) if "MLFLOW_TRACKING_USERNAME=ann" in each.body)
    assert any("mlflow server --app-name basic-auth" in each.body for each in found[first:last])
    return found[first : last + 1]


@pytest.fixture(scope="session")
def database(postgres: str) -> str:
    """An empty database of its own; its users are in it too."""
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE with_login")
    return postgres.replace("/postgres?", "/with_login?")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="slipway-login-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture
def shell(named: Callable[[str], Path], database: str, s3: S3, folder: Path) -> Iterator[Shell]:
    settings = {name: value for name, value in os.environ.items() if name not in LOGIN}
    settings |= s3.environment() | {
        "HOME": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "160",
        "NO_COLOR": "1",
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{s3.bucket}/with-login",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    made = Shell(named("flight-delay"), settings)
    yield made
    made.close()


def do(block: Block, shell: Shell, port: int) -> None:
    """Type a block, on a free port, and hold what comes against the page."""
    for step in block.steps:
        command = step.command.replace("5050", str(port))
        shown = tuple(line.replace("5050", str(port)) for line in step.printed)
        if block.how == "background":
            shell.background(command, block.argument, SECONDS)
            continue
        printed, code = shell.run(command, SECONDS)
        assert (code != 0) == step.fails, f"{command} ended with {code}:\n" + "\n".join(printed)
        if block.how != "output varies":
            assert agrees(shown, printed), f"{command} printed\n" + "\n".join(printed)


def refusal(shell: Shell, command: str, user: str, password: str, **more: str) -> str:
    """Type a command with a login; return what it says, which never has the password."""
    settings = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password, **more}
    words = " ".join(f"{name}='{value}'" for name, value in settings.items())
    printed, code = shell.run(f"env {words} {command}", SECONDS)
    text = "\n".join(printed)
    assert code == 5, text
    assert SECRET not in text
    return text


@pytest.mark.timeout(900)
def test_the_page_leads_to_a_server_with_a_login(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for block in typed():
        do(block, shell, port)
    address = f"http://127.0.0.1:{port}"

    wrong = refusal(shell, "slipway versions", "ann", SECRET)
    assert f"MLflow at {address} refused the login" in wrong
    assert "the user `ann` (401)" in wrong
    assert "export MLFLOW_TRACKING_USERNAME=… MLFLOW_TRACKING_PASSWORD=…" in wrong
    half = refusal(shell, "slipway register --allow-dirty", "ann", "")
    assert "MLFLOW_TRACKING_USERNAME without MLFLOW_TRACKING_PASSWORD" in half
    there = address.replace("//", f"//ann:{SECRET}@")
    assert "the login in MLFLOW_TRACKING_URI (401)" in refusal(
        shell, "slipway versions", "", "", MLFLOW_TRACKING_URI=there
    )

    (password,), _ = shell.run("echo $MLFLOW_AUTH_ADMIN_PASSWORD", 10)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    get_app_client("basic-auth", address).create_user("eve", SECRET)
    listed, code = shell.run(
        f"env MLFLOW_TRACKING_USERNAME=eve MLFLOW_TRACKING_PASSWORD={SECRET} slipway versions", SECONDS
    )
    assert (code, "flight-delay" in "\n".join(listed)) == (0, True), listed
    shell.run("git -c user.name=A -c user.email=a@b commit --allow-empty --quiet -m Again", 10)
    weak = refusal(shell, "slipway register --allow-dirty", "eve", SECRET)
    assert "does not permit this login to" in weak
    assert "EDIT on the experiment and the registered model" in weak
    assert "the user `eve` (403)" in weak

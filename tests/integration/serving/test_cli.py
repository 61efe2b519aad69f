from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fixtures.servers import free_port, wait_until

MODEL = Path(__file__).parents[2] / "fixtures" / "flight-delay"

SLIPWAY = [sys.executable, "-c", "from slipway.cli import main; main()"]
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("SLIPWAY_")}


@pytest.mark.long
def test_serve_and_token_as_a_new_user_types_them(tmp_path: Path) -> None:
    made = subprocess.run([*SLIPWAY, "token", "--json"], cwd=tmp_path, env=CLEAN, capture_output=True, check=True)
    token = json.loads(made.stdout)["token"]
    assert (tmp_path / "var/auth/private.pem").stat().st_mode & 0o777 == 0o600
    port = free_port()
    command = [*SLIPWAY, "serve", str(MODEL), "--port", str(port)]
    environment = CLEAN | {"SLIPWAY_DRAIN_SECONDS": "0"}
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _ready(url), 30, "the server being ready")
        assert httpx.get(url + "/version").status_code == 401
        assert (
            httpx.get(url + "/version", headers={"authorization": f"Bearer {token}"}).json()["model"]["version"] == "7"
        )
    finally:
        server.terminate()
        assert server.wait(20) == 0


def _ready(url: str) -> bool:
    try:
        return httpx.get(url + "/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["serve", "./nowhere"], 3, "no such folder"),
        (["serve", str(MODEL)], 4, "slipway token"),
        (["token", "--role", "admin"], 3, "operate"),
        (["journal", "migrate"], 3, "SLIPWAY_DATABASE_URL"),
    ],
)
def test_a_refusal_says_what_to_type(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    done = subprocess.run([*SLIPWAY, *words], cwd=tmp_path, env=CLEAN, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert said in done.stderr

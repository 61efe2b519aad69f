"""The smoke test's own key, asked of a real server: it judges the release, and is good for nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from serving.access import token
from tests.fixtures.servers import Server, wait_until
from tests.integration.serving.conftest import MODEL, signed
from tests.integration.serving.test_smoke import DIGEST, release, run


@dataclass(frozen=True)
class Released:
    """A server that knows the smoke test's key, and both folders of keys."""

    server: Server
    keys: Path

    @property
    def smoke(self) -> Path:
        return self.keys / token.SMOKE

    def status(self, keys: Path, subject: str, *roles: str, path: str = "/version") -> int:
        bearer = {"authorization": f"Bearer {signed(keys, subject, list(roles))}"}
        return httpx.get(self.server.url + path, headers=bearer).status_code


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Released]:
    keys = tmp_path / "auth"
    token.ensure_keys(keys)
    token.ensure_keys(keys / token.SMOKE)
    shutil.copy(keys / token.SMOKE / token.PUBLIC, tmp_path / "smoke.json")
    server = Server(MODEL, tmp_path / "server", jwks=keys / token.PUBLIC, smoke_jwks=tmp_path / "smoke.json",
                    image_digest=DIGEST, journal="off", jwks_refresh_seconds=0.2)  # fmt: skip
    yield Released(server.start(), keys)
    server.stop()


def test_the_smoke_tests_key_is_good_for_the_smoke_test_alone(released: Released) -> None:
    code, said = run(release(released.server, released.smoke))
    assert (code, said["failed"]) == (0, [])
    smoke = released.smoke
    assert released.status(smoke, "smoke", "predict") == 200
    assert released.status(released.keys, "alice", "operate", path="/metrics") == 200
    assert released.status(smoke, "smoke", "operate", path="/metrics") == 403
    assert released.status(smoke, "smoke", "predict", "operate", path="/metrics") == 403
    assert released.status(smoke, "alice", "predict") == 401
    assert released.status(smoke, "alice", "operate", path="/metrics") == 401


def test_an_environment_of_one_key_goes_on_says_so_and_takes_a_second_key_without_a_restart(
    released: Released, tmp_path: Path
) -> None:
    server, file = released.server, tmp_path / "smoke.json"
    file.unlink()
    wait_until(lambda: released.status(released.smoke, "smoke", "predict") == 401, 10, "the missing file being noticed")
    assert "smoke.json is not there: the key of the smoke test may sign tokens of every role" in server.text()
    code, said = run(release(server, released.keys))
    assert (code, said["failed"]) == (0, [])
    shutil.copy(released.smoke / token.PUBLIC, file)
    wait_until(lambda: released.status(released.smoke, "smoke", "predict") == 200, 10, "the new key being read")

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from journal import upkeep
from serving.access import token
from tests.fixtures.servers import Postgres, Redis, Server

MODEL = Path(__file__).parents[2] / "fixtures" / "flight-delay"
Start = Callable[..., Server]


def signed(keys: Path, subject: str, roles: list[str]) -> str:
    """Sign by hand: `slipway token` would refuse subjects and roles that a test needs."""
    key = load_pem_private_key((keys / token.PRIVATE).read_bytes(), None)
    kid = json.loads((keys / token.PUBLIC).read_bytes())["keys"][0]["kid"]
    claims = {"sub": subject, "roles": roles, "iss": "slipway", "aud": "slipway", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, key, "EdDSA", headers={"kid": kid})  # type: ignore[arg-type]


class Client:
    """Speaks to one server as one subject."""

    def __init__(self, server: Server, bearer: str | None) -> None:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        self.http = httpx.Client(base_url=server.url, headers=headers, timeout=10)

    def predict(self, rows: list[dict[str, Any]], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post("/predict", json={"rows": rows}, headers=named)

    def metric(self, name: str, **labels: str) -> float:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        for line in self.http.get("/metrics").raise_for_status().text.splitlines():
            if line.split("{")[0].split(" ")[0] == name and all(label in line for label in wanted):
                return float(line.rpartition(" ")[2])
        return 0.0


NewClient = Callable[..., Client]


class Golden(TypedDict):
    """Rows that a version was exported with, and what it answers to them."""

    rows: list[dict[str, Any]]
    probabilities: list[float]


@pytest.fixture(scope="session")
def golden() -> Golden:
    found: Golden = json.loads((MODEL / "golden.json").read_bytes())
    return found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    token.ensure_keys(folder)
    return folder


@pytest.fixture(scope="session")
def bearer(keys: Path) -> Callable[..., str]:
    def make(subject: str = "alice", *roles: str) -> str:
        return signed(keys, subject, list(roles or ("predict", "operate")))

    return make


@pytest.fixture
def client(bearer: Callable[..., str]) -> Iterator[NewClient]:
    made: list[Client] = []

    def make(server: Server, subject: str = "alice", *roles: str) -> Client:
        made.append(Client(server, bearer(subject, *roles)))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> str:
    url = postgres.new_database()
    upkeep.migrate(url)
    return url


@pytest.fixture
def new_database(postgres: Postgres) -> Callable[[], str]:
    def make() -> str:
        url = postgres.new_database()
        upkeep.migrate(url)
        return url

    return make


@pytest.fixture
def start(tmp_path: Path, keys: Path) -> Iterator[Start]:
    started: list[Server] = []

    def make(**settings: Any) -> Server:
        prefix = settings.pop("prefix", ())
        python = settings.pop("python", ())
        output = settings.pop("output", None)
        server = Server(settings.pop("model", MODEL), tmp_path, **({"jwks": keys / "jwks.json"} | settings))
        started.append(server)
        return server.start(prefix, python, output)

    yield make
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, keys: Path, database: str, redis_server: Redis
) -> Iterator[Server]:
    """One server with everything on, for tests that leave it as it was."""
    made = Server(
        MODEL, tmp_path_factory.mktemp("server"), jwks=keys / "jwks.json", database_url=database,
        redis_url=redis_server.url, burst_limit="100000/second", sustained_limit="1000000/minute",
        jwks_refresh_seconds=0.5, body_seconds=1, header_seconds=1, redis_timeout_seconds=0.2,
    )  # fmt: skip
    made.start(python=("-X", "importtime"))
    yield made
    made.stop()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "own-redis")
    yield server
    server.resume()
    server.kill()

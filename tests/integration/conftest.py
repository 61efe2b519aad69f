from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.servers import Postgres
from tests.integration import s3 as seaweed


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.S3]:
    with seaweed.serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def fragile_postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


@pytest.fixture
def own_postgres(fragile_postgres: Postgres) -> Iterator[Postgres]:
    """One that a test may kill or pause: it is up again afterwards."""
    yield fragile_postgres
    fragile_postgres.resume()
    fragile_postgres.restart()

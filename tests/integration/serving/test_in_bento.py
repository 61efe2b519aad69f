"""BentoML's own server of an imported Bento answers the tests of the server: same answers, same refusals.

The tests are those of the other modules, with a server of another kind.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.fixtures import bento
from tests.fixtures.servers import Redis, wait_until
from tests.integration.serving.conftest import MODEL, NewClient, Start
from tests.integration.serving.test_api import *  # noqa: F403
from tests.integration.serving.test_openinference import *  # type: ignore[assignment]  # noqa: F403
from tests.integration.serving.test_role import *  # noqa: F403
from tests.integration.serving.test_smoke import *  # noqa: F403
from tests.integration.serving.test_smoke import DIGEST
from tests.integration.serving.test_strangers import *  # noqa: F403
from tests.integration.serving.test_strangers import connected

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(180)]  # the tests of a release hold its answers

TAG = "flight-delay:7"

# What is about the other entry point's process.
del test_no_training_library_and_no_pickle_reader_in_the_running_process  # noqa: F821 - BentoML brings some


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a Bento, and import its file into stores of their own."""
    folder = tmp_path_factory.mktemp("bento")
    bento.make(MODEL, folder / "made", folder / "flight.bento")
    bento.bentoml(folder / "home", "import", str(folder / "flight.bento"))
    return folder / "home"


@pytest.fixture(scope="module")
def server(
    imported: Path, tmp_path_factory: pytest.TempPathFactory, keys: Path, database: str, redis_server: Redis
) -> Iterator[bento.BentoServer]:
    made = bento.BentoServer(
        TAG, imported, tmp_path_factory.mktemp("bento-server"), jwks=keys / "jwks.json", database_url=database,
        redis_url=redis_server.url, burst_limit="100000/second", sustained_limit="1000000/minute",
        jwks_refresh_seconds=0.5, body_seconds=1, header_seconds=1, redis_timeout_seconds=0.2,
    )  # fmt: skip
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")  # type: ignore[no-redef]
def released(imported: Path, tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[bento.BentoServer]:
    made = bento.BentoServer(
        TAG, imported, tmp_path_factory.mktemp("released"), jwks=keys / "jwks.json", image_digest=DIGEST,
        journal="off", burst_limit="100000/second", sustained_limit="1000000/minute",
    )  # fmt: skip
    made.start()
    yield made
    made.stop()


@pytest.fixture
def start(imported: Path, tmp_path: Path, keys: Path) -> Iterator[Start]:
    started: list[bento.BentoServer] = []

    def make(**settings: Any) -> bento.BentoServer:
        prefix, output = settings.pop("prefix", ()), settings.pop("output", None)
        made = bento.BentoServer(TAG, imported, tmp_path, **({"jwks": keys / "jwks.json"} | settings))
        started.append(made)
        made.start(prefix, output=output)
        return made

    yield make
    for made in started:
        if made.process.poll() is None:
            made.kill()


def test_after_sigterm_it_drains_and_loses_nothing(start: Start, client: NewClient, golden: dict[str, Any]) -> None:
    server = start(drain_seconds=2, journal="off")
    asker, answered, failed = client(server), [], []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                answered.append(asker.predict(golden["rows"][:1]).status_code)
            except httpx.TransportError as error:
                failed.append(error)
                return

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: len(answered) > 3, what="answers before")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503, 2, "readiness failing")
    before = len(answered)
    wait_until(lambda: len(answered) > before, 1, "answers while it drains")
    ended.set()
    thread.join(5)
    assert server.process.wait(20) is not None
    assert time.monotonic() - began >= 2
    assert set(answered) == {200}
    assert not failed
    assert "draining for 2 s" in server.text()


def test_accepting_goes_on_after_descriptors_ran_out(start: Start) -> None:  # type: ignore[no-redef]
    """In place of the other server's test: uvloop accepts here, and logs nothing."""
    server = start(max_connections=200, journal="off")
    process = server.worker
    limits, most = process.rlimit(psutil.RLIMIT_NOFILE), process.num_fds() + 5
    process.rlimit(psutil.RLIMIT_NOFILE, (most, limits[1]))
    with connected(server, 50):
        wait_until(lambda: process.num_fds() >= most - 1, what="descriptors running out")
    process.rlimit(psutil.RLIMIT_NOFILE, limits)
    with connected(server, 50):
        assert httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200


def test_its_start_says_what_this_server_lacks(server: bento.BentoServer) -> None:
    assert "served by BentoML's server" in server.text()
    assert "CONNECTIONS ARE NOT BOUNDED" not in server.text()

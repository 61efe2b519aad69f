"""Reads have limits of their own, and readiness knows keys that are too old."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.fixtures.servers import Postgres, Server, wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start
from tests.integration.serving.load import GENEROUS


def test_reads_past_their_limit_get_429_and_predictions_go_on(start: Start, client: NewClient, golden: Golden) -> None:
    server: Server = start(journal="off", read_burst_limit="5/second", read_sustained_limit="100/minute", **GENEROUS)
    reader = client(server, "reader")
    answers = [reader.http.get("/version") for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200
    assert refused
    assert {answer.status_code for answer in answers} == {200, 429}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert reader.predict(golden["rows"][:1]).status_code == 200
    assert client(server, "another").http.get("/version").status_code == 200
    assert httpx.get(f"{server.url}/readyz").status_code == 200


@pytest.mark.long
def test_lookups_past_a_subject_s_share_are_told_to_come_later(
    start: Start, client: NewClient, new_database: Callable[[], str], postgres: Postgres
) -> None:
    server: Server = start(database_url=new_database(), **GENEROUS)
    asker = client(server)
    wait_until(lambda: asker.http.get("/predictions/" + "0" * 32).status_code == 404, what="the journal answering")
    statuses: list[tuple[int, str]] = []

    def ask() -> None:
        answer = client(server).http.get("/predictions/" + "0" * 32)
        statuses.append((answer.status_code, answer.json()["type"]))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    postgres.pause()
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        postgres.resume()
    assert {status for status, _ in statuses} == {503}
    kinds = [kind.rpartition(":")[2] for _, kind in statuses]
    assert kinds.count("lookups-busy") >= 1
    assert kinds.count("journal-away") >= 1
    wait_until(lambda: asker.http.get("/predictions/" + "0" * 32).status_code == 404, what="lookups going on")


def test_readiness_fails_while_the_keys_are_too_old(
    start: Start, client: NewClient, keys: Path, tmp_path: Path
) -> None:
    published = Path(shutil.copy(keys / "jwks.json", tmp_path / "published.json"))
    server: Server = start(journal="off", jwks=published, jwks_refresh_seconds=0.1, jwks_stale_seconds=0.5)
    content = published.read_bytes()
    published.unlink()
    wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 503, what="readiness failing")
    answer = httpx.get(f"{server.url}/readyz")
    assert "keys" in answer.json()["detail"]
    assert client(server).http.get("/version").status_code == 503
    assert httpx.get(f"{server.url}/livez").status_code == 200
    published.write_bytes(content)
    wait_until(server.ready, what="readiness passing again")
    assert client(server).http.get("/version").status_code == 200

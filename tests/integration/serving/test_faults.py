from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from journal import upkeep
from tests.fixtures.servers import Postgres, Server, wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start
from tests.integration.serving.load import GENEROUS, Load, holds_exactly, journal_ids


@pytest.mark.parametrize(
    "down",
    [pytest.param(False, id="database-up", marks=pytest.mark.long), pytest.param(True, id="database-down")],
)
@pytest.mark.long
def test_killed_with_rows_in_the_spool_none_lost_none_twice(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres, down: bool
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    server: Server = start(database_url=url, **GENEROUS)
    if down:
        own_postgres.kill()
    with Load(client(server).http, golden["rows"][0], per_second=300) as load:
        load.wait_for(100)
        server.kill()
    if down:
        own_postgres.restart()
    accepted = load.accepted
    assert len(accepted) >= 100
    server.start()
    wait_until(lambda: len(journal_ids(url)) >= len(accepted), 30, "the journal catching up")
    found = journal_ids(url)
    assert len(found) == len(set(found))
    # One request may have been written down and not yet answered when the process died.
    assert accepted <= set(found)
    assert len(found) - len(accepted) <= 1


@pytest.mark.long
def test_a_pod_that_never_comes_back_its_rows_are_shipped_by_another(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres, tmp_path: Path
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    shared = {"database_url": url, "spool": tmp_path / "volume", **GENEROUS}
    lost: Server = start(**shared, spool_owner="pod-1")
    own_postgres.kill()
    answers = [client(lost).predict(golden["rows"][:1]) for _ in range(30)]
    assert {a.status_code for a in answers} == {200}
    lost.kill()
    own_postgres.restart()
    other: Server = start(**shared, spool_owner="pod-2")
    holds_exactly(url, {a.json()["request_id"] for a in answers})
    assert client(other).predict(golden["rows"][:1]).status_code == 200
    wait_until(lambda: not (tmp_path / "volume" / "pod-1").exists(), what="the lost pod's folder going")


@pytest.mark.long
def test_spool_full_is_503_and_counted_never_a_silent_drop(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    server: Server = start(database_url=url, spool_bytes=20_000, **GENEROUS)
    own_postgres.kill()
    asker = client(server)
    answers = [asker.predict(golden["rows"][:1]) for _ in range(80)]
    accepted = {a.json()["request_id"] for a in answers if a.status_code == 200}
    refused = [a for a in answers if a.status_code != 200]
    assert 10 < len(accepted) < 70
    assert {a.status_code for a in refused} == {503}
    assert refused[0].json()["type"] == "urn:slipway:problem:spool-full"
    assert asker.metric("slipway_shed_total", reason="spool") == len(refused)
    own_postgres.restart()
    holds_exactly(url, accepted)
    assert asker.predict(golden["rows"][:1]).status_code == 200


def test_descriptors_run_out_no_row_is_lost_and_it_heals(
    start: Start, client: NewClient, golden: Golden, new_database: Callable[[], str]
) -> None:
    url = new_database()
    server: Server = start(database_url=url, **GENEROUS)
    asker = client(server)
    answers = [asker.predict(golden["rows"][:1])]
    process = psutil.Process(server.process.pid)
    own = process.num_fds()
    strangers = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(140)]
    wait_until(lambda: process.num_fds() >= own + 140, what="every stranger accepted")
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    # Every number below is taken: nothing can be opened, and what was let go goes to the next who comes.
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (10, before[1]))
    answers += [asker.predict(golden["rows"][:1]) for _ in range(200)]
    wait_until(lambda: asker.http.get("/readyz").json().get("type", "").endswith("spool-failing"), what="not ready")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
    strangers += [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(40)]
    answers += [asker.predict(golden["rows"][:1]) for _ in range(50)]
    for stranger in strangers:
        stranger.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            assert b'"subject"' not in stranger.recv(1 << 20)
        stranger.close()
    wait_until(lambda: asker.http.get("/readyz").status_code == 200, what="the server healing")
    assert asker.metric("slipway_spool_failures_total", operation="open") > 0
    answers.append(asker.predict(golden["rows"][:1]))
    holds_exactly(url, {a.json()["request_id"] for a in answers if a.status_code == 200})


@pytest.mark.long
def test_a_stopped_database_answers_lookups_within_their_time(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    asker = client(start(database_url=url, **GENEROUS))
    made = asker.predict(golden["rows"][:1]).json()["request_id"]
    wait_until(lambda: asker.http.get(f"/predictions/{made}").status_code == 200, what="the row in the journal")
    own_postgres.pause()
    began = time.monotonic()
    answers = [asker.http.get(f"/predictions/{made}") for _ in range(6)]
    assert {a.status_code for a in answers} == {503}
    assert all("retry-after" in a.headers for a in answers)
    assert time.monotonic() - began < 6 * 2.5
    assert asker.predict(golden["rows"][:1]).status_code == 200
    own_postgres.resume()
    wait_until(lambda: asker.http.get(f"/predictions/{made}").status_code == 200, what="lookups answering again")


@pytest.mark.long
def test_sigterm_under_load_drains_without_a_reset(start: Start, client: NewClient, golden: Golden) -> None:
    server: Server = start(drain_seconds=4, **GENEROUS)
    loads = [Load(client(server).http, golden["rows"][0]) for _ in range(4)]
    for load in loads:
        load.__enter__()
    for load in loads:
        load.wait_for(20)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: httpx.get(server.url + "/readyz").status_code == 503, 1.0, "readiness failing")
    for load in loads:  # a balancer takes a moment to see it, and sends on meanwhile
        load.wait_for(10)
    assert httpx.get(server.url + "/livez").status_code == 200
    for load in loads:
        load.__exit__()
    assert server.process.poll() is None
    assert server.process.wait(20) == 0
    assert [load.broken for load in loads] == [[]] * 4
    assert {status for load in loads for status in load.answers.values()} == {200}


@pytest.mark.long
def test_nobody_reads_the_log_and_no_request_notices(start: Start, client: NewClient, golden: Golden) -> None:
    reader, writer = os.pipe()  # as a pod's, while the node's container runtime is away
    server: Server = start(output=writer, **GENEROUS)
    os.close(writer)
    asker, requests = client(server), 600
    assert {asker.predict(golden["rows"][:1]).status_code for _ in range(requests)} == {200}
    assert asker.metric("slipway_log_dropped_total") == 0
    server.process.terminate()
    with os.fdopen(reader, "rb") as log:  # whoever comes back finds all of it
        lines = [json.loads(line) for line in log]
    assert server.process.wait(10) == 0
    predictions = [line for line in lines if line.get("route") == "/predict"]
    assert len({line["request_id"] for line in predictions}) == len(predictions) == requests
    assert sum(len(json.dumps(line)) for line in predictions) > 1 << 16


@pytest.mark.long
def test_a_revoked_key_is_refused_within_a_minute(
    start: Start, bearer: Callable[..., str], tmp_path: Path, keys: Path
) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_bytes((keys / "jwks.json").read_bytes())
    server: Server = start(jwks=jwks, jwks_refresh_seconds=0.3)
    headers = {"authorization": f"Bearer {bearer()}"}
    assert httpx.get(server.url + "/version", headers=headers).status_code == 200
    jwks.write_text('{"keys": []}')
    wait_until(lambda: httpx.get(server.url + "/version", headers=headers).status_code == 401, 5, "the refusal")


@pytest.mark.long
def test_overload_is_shed_and_not_queued(start: Start, client: NewClient, golden: Golden) -> None:
    server: Server = start(max_concurrency=0, **GENEROUS)
    answer = client(server).predict(golden["rows"][:1])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client(server).http.get("/livez").status_code == 200

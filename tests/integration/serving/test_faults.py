from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from serving.journal import upkeep
from tests.fixtures.servers import Postgres, Redis, Server, wait_until

GENEROUS = {"burst_limit": "100000/second", "sustained_limit": "1000000/minute"}


@pytest.fixture(scope="module")
def fragile_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("own-pg"))
    yield server
    server.stop()


@pytest.fixture
def own_postgres(fragile_postgres: Postgres) -> Iterator[Postgres]:
    yield fragile_postgres
    fragile_postgres.resume()
    fragile_postgres.restart()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "own-redis")
    yield server
    server.resume()
    server.kill()


class Load:
    """Sends requests with ids of its own on a fixed beat, and keeps what came back."""

    def __init__(self, http: httpx.Client, row: dict[str, Any], per_second: float = 100) -> None:
        self.answers: dict[str, int] = {}
        self.seconds: list[float] = []
        self.broken: list[str] = []
        self._http, self._row, self._beat = http, row, 1 / per_second
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def wait_for(self, more: int) -> None:
        target = len(self.answers) + more
        wait_until(lambda: len(self.answers) >= target, what=f"{more} more answers")

    @property
    def accepted(self) -> set[str]:
        return {name for name, status in self.answers.items() if status == 200}

    def p99(self, since: int = 0) -> float:
        taken = sorted(self.seconds[since:])
        return taken[int(len(taken) * 0.99)]

    def _send(self) -> None:
        due = time.perf_counter()
        while not self._stopping.wait(max(0, due - time.perf_counter())):
            name, began = str(uuid.uuid4()), time.perf_counter()
            try:
                answer = self._http.post("/predict", json={"rows": [self._row]}, headers={"x-request-id": name})
            except httpx.ConnectError:
                return  # the listener is closed: nobody answers any more, and nobody was cut off
            except httpx.TransportError as error:
                self.broken.append(repr(error))
            else:
                self.answers[name] = answer.status_code
            self.seconds.append(time.perf_counter() - began)
            due += self._beat


def journal_ids(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT request_id FROM predictions").fetchall()]


def holds_exactly(url: str, accepted: set[str]) -> None:
    wait_until(lambda: len(journal_ids(url)) >= len(accepted), 30, "the journal catching up")
    found = journal_ids(url)
    assert len(found) == len(set(found))
    assert set(found) == accepted


def test_f01_redis_killed_no_5xx_breaker_opens_limits_hold_per_pod(
    start: Any, client: Any, golden: Any, own_redis: Redis
) -> None:
    server: Server = start(redis_url=own_redis.url, burst_limit="50/second", sustained_limit="100000/minute")
    asker = client(server)
    assert asker.predict(golden["rows"][:1]).status_code == 200
    own_redis.kill()
    began, statuses = time.monotonic(), []
    while time.monotonic() - began < 2.5:
        statuses.append(asker.predict(golden["rows"][:1]).status_code)
    assert set(statuses) <= {200, 429}
    assert asker.metric("slipway_breaker_open", store="redis") == 1
    assert asker.metric("slipway_leased_total", store="pod") > 0
    assert statuses.count(200) <= 50 * 4 + 5  # at most the limit a second, in windows that slide
    own_redis.start()
    wait_until(lambda: asker.metric("slipway_breaker_open", store="redis") == 0, what="the breaker closing")


@pytest.mark.long
def test_f02_redis_stopped_p99_stays_near_the_baseline(start: Any, client: Any, golden: Any, own_redis: Redis) -> None:
    server: Server = start(redis_url=own_redis.url, burst_limit="100/second", sustained_limit="100000/minute")
    with Load(client(server).http, golden["rows"][0]) as load:
        load.wait_for(150)
        baseline, since = load.p99(), len(load.seconds)
        own_redis.pause()
        load.wait_for(200)
        stopped = load.p99(since)
    assert not load.broken
    assert max(load.answers.values()) < 500
    assert stopped <= baseline + 0.025
    assert client(server).metric("slipway_breaker_open", store="redis") == 1


def test_f03_a_stale_or_forged_answer_in_redis_is_never_given(
    start: Any, client: Any, golden: Any, own_redis: Redis
) -> None:
    import redis

    server: Server = start(redis_url=own_redis.url, cache_redis="on", cache_secret="s" * 16, redis_timeout_seconds=0.5)
    asker = client(server)
    right = asker.predict(golden["rows"][:1]).json()["predictions"]
    store = redis.Redis.from_url(own_redis.url)
    wait_until(lambda: bool(store.keys("slipway:answer:*")), what="the answer reaching Redis")
    assert asker.predict(golden["rows"][:1]).json()["predictions"] == right
    assert asker.metric("slipway_cache_hits_total", tier="redis") == 1
    key = store.keys("slipway:answer:*")[0]
    whole: Any = store.get(key)
    for forged in (b"\x00\x00\x80\x3f" + whole[4:], whole[:-1], b"", b"x" * 100):
        store.set(key, forged)
        assert asker.predict(golden["rows"][:1]).json()["predictions"] == right
        wait_until(lambda: store.get(key) == whole, what="the right answer replacing the forged one")
    assert asker.metric("slipway_cache_forged_total") == 4
    other = asker.predict(golden["rows"][1:2]).json()["predictions"]
    wait_until(lambda: len(store.keys("slipway:answer:*")) == 2, what="the second answer reaching Redis")
    second = next(k for k in store.keys("slipway:answer:*") if k != key)
    store.set(second, whole)  # a right value under a wrong key
    assert asker.predict(golden["rows"][1:2]).json()["predictions"] == other
    store.close()


@pytest.mark.long
def test_f04_f15_postgres_killed_predictions_go_on_and_the_journal_holds_exactly_the_accepted_ids(
    start: Any, client: Any, golden: Any, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    server: Server = start(database_url=url, **GENEROUS)
    asker = client(server)
    with Load(client(server).http, golden["rows"][0]) as load:
        load.wait_for(50)
        own_postgres.kill()
        load.wait_for(100)
        wait_until(lambda: asker.metric("slipway_breaker_open", store="database") == 1, what="the breaker opening")
        assert asker.http.get("/livez").status_code == 200
        assert asker.http.get("/readyz").status_code == 200
        assert asker.http.get(f"/predictions/{uuid.uuid4()}").status_code == 503
        own_postgres.restart()
        load.wait_for(50)
    assert set(load.answers.values()) == {200}
    assert not load.broken
    holds_exactly(url, load.accepted)


@pytest.mark.long
def test_f05_postgres_stopped_no_request_waits(start: Any, client: Any, golden: Any, own_postgres: Postgres) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    server: Server = start(database_url=url, **GENEROUS)
    with Load(client(server).http, golden["rows"][0]) as load:
        load.wait_for(150)
        baseline, since = load.p99(), len(load.seconds)
        own_postgres.pause()
        load.wait_for(300)
        paused = load.p99(since)
        own_postgres.resume()
    assert set(load.answers.values()) == {200}
    assert paused <= baseline + 0.025
    holds_exactly(url, load.accepted)


@pytest.mark.long
def test_f06_postgres_read_only_predictions_go_on_and_metrics_tell(
    start: Any, client: Any, golden: Any, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(own_postgres.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    server: Server = start(database_url=url, **GENEROUS)
    asker = client(server)
    made = {asker.predict(golden["rows"][:1]).json()["request_id"] for _ in range(20)}
    wait_until(lambda: asker.metric("slipway_journal_failures_total") >= 1, what="the failure being counted")
    assert asker.metric("slipway_spool_age_seconds") > 0
    assert asker.metric("slipway_spool_rows") == 20
    with psycopg.connect(own_postgres.url(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    holds_exactly(url, made)


@pytest.mark.parametrize(
    "down",
    [pytest.param(False, id="f07-database-up", marks=pytest.mark.long), pytest.param(True, id="f08-database-down")],
)
@pytest.mark.long
def test_f07_f08_killed_with_rows_in_the_spool_none_lost_none_twice(
    start: Any, client: Any, golden: Any, own_postgres: Postgres, down: bool
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


def test_f09_spool_full_is_503_and_counted_never_a_silent_drop(
    start: Any, client: Any, golden: Any, own_postgres: Postgres
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


@pytest.mark.long
def test_f13_sigterm_under_load_drains_without_a_reset(start: Any, client: Any, golden: Any) -> None:
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
def test_a03_a_revoked_key_is_refused_within_a_minute(
    start: Any, bearer: Callable[..., str], tmp_path: Path, keys: Path
) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_bytes((keys / "jwks.json").read_bytes())
    server: Server = start(jwks=jwks, jwks_refresh_seconds=0.3)
    headers = {"authorization": f"Bearer {bearer()}"}
    assert httpx.get(server.url + "/version", headers=headers).status_code == 200
    jwks.write_text('{"keys": []}')
    wait_until(lambda: httpx.get(server.url + "/version", headers=headers).status_code == 401, 5, "the refusal")


def test_overload_is_shed_and_not_queued(start: Any, client: Any, golden: Any) -> None:
    server: Server = start(max_concurrency=0, **GENEROUS)
    answer = client(server).predict(golden["rows"][:1])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client(server).http.get("/livez").status_code == 200

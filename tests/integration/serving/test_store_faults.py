from __future__ import annotations

import asyncio
import bisect
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest

from journal import upkeep
from tests.fixtures.servers import Postgres, Redis, Server, wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start
from tests.integration.serving.load import GENEROUS, Load, holds_exactly


@pytest.mark.long
def test_redis_killed_no_5xx_breaker_opens_limits_hold_per_pod(
    start: Start, client: NewClient, golden: Golden, own_redis: Redis
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
def test_redis_stopped_p99_stays_near_the_baseline(
    start: Start, client: NewClient, golden: Golden, own_redis: Redis
) -> None:
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


@pytest.mark.long
def test_a_stale_or_forged_answer_in_redis_is_never_given(
    start: Start, client: NewClient, golden: Golden, own_redis: Redis
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
def test_postgres_killed_predictions_go_on_and_the_journal_holds_exactly_the_accepted_ids(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres
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
def test_postgres_stopped_no_request_waits(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres
) -> None:
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


READ_ONLY = (
    "ALTER DATABASE {name} SET default_transaction_read_only = on",
    "ALTER DATABASE {name} RESET default_transaction_read_only",
)
FULL = (  # what PostgreSQL answers when its disk is full; 53100 is disk_full
    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; "
    "CREATE TRIGGER full_disk BEFORE INSERT ON predictions EXECUTE FUNCTION full_disk()",
    "DROP FUNCTION full_disk CASCADE",
)


@pytest.mark.long
@pytest.mark.parametrize(("breaks", "mends"), [READ_ONLY, FULL], ids=["read-only", "full"])
def test_postgres_takes_no_row_predictions_go_on_and_metrics_tell(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres, breaks: str, mends: str
) -> None:
    url = own_postgres.new_database()
    upkeep.migrate(url)
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(breaks.format(name=name).encode())
    server: Server = start(database_url=url, **GENEROUS)
    asker = client(server)
    made = {asker.predict(golden["rows"][:1]).json()["request_id"] for _ in range(20)}
    wait_until(lambda: asker.metric("slipway_journal_failures_total") >= 1, what="the failure being counted")
    assert asker.metric("slipway_spool_age_seconds") > 0
    assert asker.metric("slipway_spool_rows") == 20
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(mends.format(name=name).encode())
    with psycopg.connect(own_postgres.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    holds_exactly(url, made)


@pytest.mark.long
def test_a_changed_password_costs_no_row_and_the_writer_needs_no_more_than_its_grants(
    start: Start, client: NewClient, golden: Golden, own_postgres: Postgres
) -> None:
    url, role, first, second = own_postgres.new_database(), "journal_writer", "one-k81uMd", "two-x92Lbq"
    upkeep.migrate(url)
    rules = own_postgres.data / "pg_hba.conf"
    rules.write_text(f"local all {role} scram-sha-256\n" + rules.read_text())
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "SELECT pg_reload_conf()",
            f"CREATE ROLE {role} LOGIN PASSWORD '{first}'",
            # docs/serving.md, The journal
            f"GRANT SELECT, INSERT ON predictions, prediction_keys TO {role}",
        ):
            connection.execute(statement.encode())

    def written_by(password: str) -> dict[str, Any]:
        return {"database_url": url.replace("postgres:@", f"{role}:{password}@"), **GENEROUS}

    server: Server = start(**written_by(first))
    asker = client(server)
    made = {asker.predict(golden["rows"][:1]).json()["request_id"] for _ in range(20)}
    holds_exactly(url, made)
    with psycopg.connect(url, autocommit=True) as connection:  # docs/how-to/rotate-keys.md, The journal's password
        connection.execute(f"ALTER ROLE {role} PASSWORD '{second}'".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role])
    answers = [asker.predict(golden["rows"][:1]) for _ in range(20)]
    assert {one.status_code for one in answers} == {200}
    wait_until(lambda: asker.metric("slipway_journal_failures_total") >= 1, what="the old password being refused")
    assert server.stop() == 0
    assert first not in server.text()
    start(**written_by(second))  # with the spool of the one before
    holds_exactly(url, made | {one.json()["request_id"] for one in answers})


BURST = 40


async def _hammered(urls: list[str], headers: dict[str, str], row: dict[str, Any], seconds: float) -> list[float]:
    """Ask every server from eight connections at once, as fast as it goes; return when each admitted request came."""
    admitted: list[float] = []
    ends = time.monotonic() + seconds

    async def ask(url: str) -> None:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=10) as http:
            while (asked := time.monotonic()) < ends:
                answer = await http.post("/predict", json={"rows": [row]})
                assert answer.status_code in (200, 429), answer.text
                if answer.status_code == 200:
                    admitted.append(asked)

    await asyncio.gather(*(ask(url) for url in urls for _ in range(8)))
    return sorted(admitted)


@pytest.mark.long
def test_a_parallel_burst_over_two_pods_stays_within_the_stated_bound(
    start: Start, bearer: Callable[..., str], golden: Golden, own_redis: Redis
) -> None:
    limited = {"redis_url": own_redis.url, "burst_limit": f"{BURST}/second", "sustained_limit": "100000/minute"}
    pods = [start(**limited).url for _ in range(2)]
    headers = {"authorization": f"Bearer {bearer()}"}
    for counts in (1, 2):  # in Redis for both together; without Redis in each for itself
        if counts == 2:
            own_redis.kill()
        seconds = 4.0
        admitted = asyncio.run(_hammered(pods, headers, golden["rows"][0], seconds))
        leases = len(pods) * BURST // 10
        once = BURST if counts == 2 else 0  # what Redis had admitted before it went
        most = max(bisect.bisect(admitted, at + 1) - place for place, at in enumerate(admitted))
        assert most <= 2 * BURST * counts + leases + once  # docs/adr/0022
        assert BURST <= len(admitted) <= BURST * counts * (seconds + 1) + leases + once

"""Redis and PostgreSQL, joined beside the first answers.

Importing their clients takes longer than loading the model, so the server
listens and answers before: limits hold per pod and rows gather in the spool
meanwhile. Readiness waits until both are joined. Imported in a thread, and by
nothing at the top of a module.
"""

from __future__ import annotations

from dataclasses import dataclass

from limits.aio.storage import RedisStorage
from psycopg_pool import ConnectionPool
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from journal import orphans, reader
from journal.postgres import connect
from journal.spool import Spool
from journal.writer import Writer
from serving.access.limits import Limiter
from serving.http.problem import Problem
from serving.inference.cache import Cache
from serving.settings import Settings
from slipway.breaker import Breaker
from slipway.errors import Unavailable

STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Stores:
    """What the server keeps open beside the requests; None: it is not set."""

    pool: ConnectionPool | None
    writer: Writer | None

    def find(self, breaker: Breaker, request_id: str, subject: str | None) -> bytes | None:
        """Return one past prediction as JSON; of any subject when `subject` is None.

        Raises:
            Problem: 503 when PostgreSQL does not answer.
        """
        assert self.pool is not None, "a server without a journal is not asked"  # noqa: S101
        try:
            return reader.find(self.pool, breaker, request_id, subject)
        except Unavailable as error:
            raise self.away() from error

    def away(self) -> Problem:
        """Say that the journal did not answer in time."""
        return Problem(
            503,
            "the journal's database does not answer in time; predictions are kept meanwhile: ask again in 5 s",
            kind="journal-away",
            headers=[(b"retry-after", b"5")],
        )

    def close(self) -> None:
        """Ship what can be shipped, hand back connections."""
        if self.writer:
            self.writer.stop(STOP_SECONDS)
        if self.pool:
            self.pool.close(timeout=1.0)


def join(settings: Settings, limiter: Limiter, cache: Cache | None, spool: Spool | None, breaker: Breaker) -> Stores:
    """Give limiter and cache their Redis, and the spool its writer; needs a running event loop.

    `breaker` is the database's.
    """
    if settings.redis_url:
        limiter.share(_counters(settings))
    if cache is not None and settings.cache_in_redis:
        cache.share(_answers(settings))
    if spool is None:
        return Stores(None, None)
    volume = settings.spool
    kept = spool.kept
    left = (lambda: orphans.segments(volume, volume / settings.spool_owner, kept)) if settings.spool_owner else None
    pool = connect(settings.database_url, settings.database_pool)
    writer = Writer(spool, pool, breaker, left)
    writer.start()
    return Stores(pool, writer)


def _counters(settings: Settings) -> RedisStorage:
    seconds = settings.redis_timeout_seconds
    return RedisStorage(
        f"async+{settings.redis_url}",
        implementation="redispy",
        retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type] # the default waits for seconds between tries
        key_prefix="slipway",
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
    )


def _answers(settings: Settings) -> Redis:
    seconds = settings.redis_timeout_seconds
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        max_connections=32,
    )

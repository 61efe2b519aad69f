"""The parts of a running server, built from its settings, started and stopped together.

The one place that knows which part needs which. Refuses to build anything
before the model has survived its probe.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journal.spool import Spool
from serving import openapi
from serving.access.auth import Authenticator
from serving.access.keys import KeySet
from serving.access.limits import Limiter
from serving.access.shedding import Shedder
from serving.http import trace
from serving.http.logs import RequestLog
from serving.http.role import Role
from serving.inference import heap, model, probe
from serving.inference.cache import Cache
from serving.inference.distributions import Distributions
from serving.inference.model import Model
from serving.input.validation import Reader
from serving.metrics import Metrics, Reading
from serving.settings import Settings
from serving.tasks import Tasks
from slipway.breaker import Breaker
from slipway.errors import BadInput

if TYPE_CHECKING:
    from serving.stores import Stores

logger = logging.getLogger(__name__)

LOG_SECONDS = 0.2
CLAIM_SECONDS = 20.0
# Longest time of one pass of a task that only sleeps, counts and writes to memory.
PASS_SECONDS = 10.0


@dataclass
class Parts:
    """Everything that a request passes."""

    settings: Settings
    model: Model
    reader: Reader
    metrics: Metrics
    distributions: Distributions
    shedder: Shedder
    limiter: Limiter
    redis_breaker: Breaker
    database_breaker: Breaker
    log: RequestLog
    document: bytes
    role: Role
    keys: KeySet | None = None
    authenticator: Authenticator | None = None
    cache: Cache | None = None
    spool: Spool | None = None
    stores: Stores | None = None
    record: trace.Record | None = None
    end_tracing: Callable[[], None] = lambda: None
    draining: bool = False
    tasks: Tasks = field(default_factory=Tasks)

    def start(self) -> None:
        """Start what runs beside the requests; needs a running event loop."""
        keep = self.tasks.keep
        keep("shedder", self.shedder.measure, patience_seconds=PASS_SECONDS)
        keep("log", self._flush_log, patience_seconds=PASS_SECONDS)
        if self.keys:
            keep("keys", self.keys.pass_by, patience_seconds=self.keys.patience_seconds)
        if self.settings.redis_url:
            keep("redis-probe", self.limiter.probe, patience_seconds=PASS_SECONDS, essential=False)
        keep("stores", self._join_stores, once=True)

    @property
    def spool_trouble(self) -> str | None:
        """What keeps rows from being written, flushed or shipped for a fault here; None: nothing."""
        trouble = self.spool.trouble if self.spool is not None else None
        if trouble is None and self.stores is not None and self.stores.writer is not None:
            return self.stores.writer.trouble
        return trouble

    def not_ready(self) -> str | None:
        """Say why this server must get no requests; None: it may."""
        if self.draining:
            return "the server is draining"
        if self.keys is not None and self.keys.stale:
            return "the keys that tokens are checked with are too old"
        if stale := self.tasks.stale():
            return f"background tasks do not run: {', '.join(stale)}"
        return None

    def stop(self) -> None:
        """Stop, ship what can be shipped, flush."""
        self.tasks.stop()
        if self.stores:
            self.stores.close()
        if self.spool:
            self.spool.close()
        self.end_tracing()
        self.log.flush()
        self.log.outlet.drain()

    async def _join_stores(self) -> None:
        with heap.shared():
            stores = await asyncio.to_thread(importlib.import_module, "serving.stores")
        # What is there by now stays: the collector need not look at it with every request's garbage.
        gc.collect()
        gc.freeze()
        self.stores = stores.join(self.settings, self.limiter, self.cache, self.spool, self.database_breaker)

    async def _flush_log(self) -> None:
        await asyncio.sleep(LOG_SECONDS)
        self.log.flush()


def build(settings: Settings, trial: probe.Trial | None = None) -> Parts:
    """Await the model's trial and load it, then make every part.

    Raises:
        SlipwayError: the model, the keys, the spool or a setting is not what it must be.
    """
    (trial or probe.begin(settings.model)).wait()
    served = model.load(settings.model)
    _check_redacted(settings, served)
    metrics, distributions = Metrics(served), Distributions(served.schema, served.task)
    redis_breaker, database_breaker = Breaker("redis"), Breaker("database")
    limiter = Limiter(settings.burst_limit, settings.sustained_limit, settings.redis_timeout_seconds, redis_breaker)
    shedder = Shedder(
        settings.max_concurrency, settings.deadline_seconds, lambda reason: metrics.refused.labels(reason).inc()
    )
    parts = Parts(
        settings, served, Reader(served.schema, settings.max_rows), metrics, distributions, shedder, limiter,
        redis_breaker, database_breaker, RequestLog(), openapi.document(served, settings),
        Role(settings.role_file),
    )  # fmt: skip
    _add_auth(parts)
    _add_cache(parts)
    _add_journal(parts)
    if settings.otlp_endpoint:
        parts.record, parts.end_tracing = trace.recorder(settings.otlp_endpoint, served.name, served.version)
    metrics.watch(readings(parts), distributions)
    return parts


def readings(parts: Parts) -> list[Reading]:
    """List what is read when metrics are scraped."""
    both = (parts.redis_breaker, parts.database_breaker)
    found: list[Reading] = [
        ("slipway_breaker_open", "Whether the server has stopped asking redis or database.", "gauge",
         lambda: {(("store", b.name),): float(not b.closed) for b in both}),
        ("slipway_breaker_opened", "How often the server stopped asking redis or database for a while.", "counter",
         lambda: {(("store", b.name),): b.opened for b in both}),
        ("slipway_leased", "Requests leased to subjects, counted in redis or in the pod.", "counter",
         lambda: {(("store", s),): n for s, n in parts.limiter.admitted.items()}),
        ("slipway_task_failures", "Failures of background tasks; each is started again.", "counter",
         lambda: {(("task", t),): n for t, n in parts.tasks.failures.items()}),
        ("slipway_log_dropped", "Lines of the log dropped: no reader kept up, or it could not be written.", "counter",
         lambda: {(): parts.log.outlet.dropped}),
    ]  # fmt: skip
    if (kept := parts.cache) is not None:
        found += [
            ("slipway_cache_hits", "Answers found in the process or in redis.", "counter",
             lambda: {(("tier", t),): n for t, n in kept.hits.items()}),
            ("slipway_cache_misses", "Answers not found.", "counter", lambda: {(): kept.misses}),
            ("slipway_cache_forged", "Answers in Redis with a wrong MAC.", "counter", lambda: {(): kept.forged}),
        ]  # fmt: skip
    if (keys := parts.keys) is not None:
        found += [
            ("slipway_keys", "Keys that may verify tokens.", "gauge", lambda: {(): len(keys)}),
            ("slipway_keys_failures", "Failed attempts to read the keys.", "counter", lambda: {(): keys.failures}),
            ("slipway_keys_age_seconds", "Age of the keys that tokens are checked with.", "gauge",
             lambda: {(): keys.age_seconds}),
            ("slipway_keys_stale_seconds", "Age past which no token is accepted, SLIPWAY_JWKS_STALE_SECONDS.", "gauge",
             lambda: {(): keys.stale_seconds}),
        ]  # fmt: skip
    return found + _journal_readings(parts)


def _journal_readings(parts: Parts) -> list[Reading]:
    spool = parts.spool
    if spool is None:
        return []

    def counted(name: str) -> dict[Any, float]:
        writer = parts.stores and parts.stores.writer
        return {(): getattr(writer, name) if writer else 0}

    return [
        ("slipway_spool_rows", "Journal rows that wait.", "gauge", lambda: {(): spool.records}),
        ("slipway_spool_bytes", "Bytes of journal rows that wait.", "gauge", lambda: {(): spool.waiting_bytes}),
        ("slipway_spool_limit_bytes", "Most bytes that may wait, SLIPWAY_SPOOL_BYTES.", "gauge",
         lambda: {(): parts.settings.spool_bytes}),
        ("slipway_spool_age_seconds", "Age of the oldest row that waits; over 60 s is a failure.", "gauge",
         lambda: {(): spool.age_seconds}),
        ("slipway_spool_failures", "Failed operations on the spool's files, by what failed.", "counter",
         lambda: {(("operation", kind),): n for kind, n in spool.failures.items()}),
        ("slipway_spool_failing", "Whether rows cannot be written, flushed or shipped for a failure here.", "gauge",
         lambda: {(): float(parts.spool_trouble is not None)}),
        ("slipway_spool_damaged", "Places in segments that held no readable row; the files are kept.", "counter",
         lambda: {(): spool.damaged}),
        ("slipway_spool_aside_bytes", "Bytes of rows and segments set aside; they count against the limit.", "gauge",
         lambda: {(): spool.kept.size}),
        ("slipway_journal_reused_ids", "Rows stored under an id that had other rows.", "counter",
         lambda: counted("reused")),
        ("slipway_journal_written", "Rows stored in PostgreSQL.", "counter", lambda: counted("written")),
        ("slipway_journal_failures", "Failed writes to PostgreSQL.", "counter", lambda: counted("failures")),
        ("slipway_journal_set_aside", "Rows that PostgreSQL could not store, kept in the spool's folder.", "counter",
         lambda: counted("set_aside")),
    ]  # fmt: skip


def _add_auth(parts: Parts) -> None:
    settings = parts.settings
    if settings.auth == "off":
        logger.warning("AUTHENTICATION IS OFF: whoever reaches this port may do everything")
        return
    smoke = Path(settings.smoke_jwks) if settings.smoke_jwks else None
    keys = KeySet(settings.jwks, settings.jwks_refresh_seconds, settings.jwks_stale_seconds, smoke)
    keys.load()
    parts.keys = keys
    parts.authenticator = Authenticator(keys, settings.issuer, settings.audience, settings.roles_claim)


def _add_cache(parts: Parts) -> None:
    settings = parts.settings
    if settings.cache_entries or settings.cache_in_redis:
        parts.cache = Cache(
            parts.model.digest, settings.cache_entries, settings.cache_seconds, settings.cache_secret,
            parts.redis_breaker, parts.tasks, parts.model.task.shape,
        )  # fmt: skip


def _add_journal(parts: Parts) -> None:
    settings = parts.settings
    if not settings.journal_on:
        logger.warning("THE JOURNAL IS OFF: predictions are not written down (set SLIPWAY_DATABASE_URL)")
        return
    own = settings.spool / settings.spool_owner
    patience = CLAIM_SECONDS if settings.spool_owner else 0.0
    parts.spool = Spool(own, settings.spool_bytes, settings.spool_sync_seconds, patience)


def _check_redacted(settings: Settings, served: Model) -> None:
    unknown = settings.redacted - {feature.name for feature in served.schema.features}
    if unknown:
        raise BadInput(
            "SLIPWAY_JOURNAL_REDACT names a feature that the model does not have",
            expected=", ".join(sorted(f.name for f in served.schema.features)),
            found=", ".join(sorted(unknown)),
            hint="correct SLIPWAY_JOURNAL_REDACT, then start the server again",
        )

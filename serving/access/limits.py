"""Rate limits a subject: a burst and a sustained limit, counted in Redis for all pods together.

A pod takes a small lease of requests from Redis and serves them without
asking again, so most requests wait on nothing. A lease is counted when it is
taken and forfeited after a second. Over time a subject is admitted at the
limit's pace, plus one lease a pod; within one window at most twice the limit,
where a complete burst came late after silence. While Redis is away that holds per pod.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import dataclass, field

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from serving.http.problem import Problem
from slipway.breaker import Breaker
from slipway.errors import BadInput

logger = logging.getLogger(__name__)

# A lease is this part of the burst limit: the share by which a pod may be over.
LEASE_PART = 10
LEASE_SECONDS = 1.0
REMEMBERED = 10_000
PROBE_SECONDS = 0.5


@dataclass(slots=True)
class _Lease:
    left: int = 0
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Limiter:
    """Admit or refuse a subject's next request."""

    def __init__(self, burst: str, sustained: str, redis_timeout_seconds: float, breaker: Breaker) -> None:
        self.breaker = breaker
        self.admitted = {"redis": 0, "pod": 0}
        self._items = _items(burst, sustained)
        self.lease_size = max(1, self._items[0].amount // LEASE_PART)
        self._pod = _strategy(MemoryStorage())
        self._timeout_seconds = redis_timeout_seconds
        self._shared: SlidingWindowCounterRateLimiter | None = None
        self._leases: dict[str, _Lease] = {}
        policy = ", ".join(
            f'"{name}";q={item.amount};w={item.get_expiry()}'
            for name, item in zip(("burst", "sustained"), self._items, strict=True)
        )
        self.policy_header = (b"ratelimit-policy", policy.encode())

    def share(self, counters: Storage) -> None:
        """Count for all pods together from now on."""
        self._shared = _strategy(counters)

    def take(self, subject: str) -> bool:
        """Use one request of the subject's lease; False when it has none."""
        lease = self._leases.get(subject)
        if lease is None or lease.left <= 0 or lease.until < time.monotonic():
            return False
        lease.left -= 1
        return True

    async def admit(self, subject: str) -> None:
        """Take a new lease and use one request of it.

        Raises:
            Problem: 429 with Retry-After and RateLimit headers.
        """
        if len(self._leases) > REMEMBERED:
            self._forget()
        lease = self._leases.setdefault(subject, _Lease())
        async with lease.lock:
            if self.take(subject):
                return
            for size in dict.fromkeys((self.lease_size, 1)):  # a full lease, else one of what is left
                if await self._hit(subject, size):
                    lease.left = size - 1
                    lease.until = time.monotonic() + LEASE_SECONDS
                    return
            raise await self._too_many(subject)

    async def probe(self) -> None:
        """Wait a moment; while the breaker is open, ask Redis whether it is back."""
        await asyncio.sleep(PROBE_SECONDS)
        if self._shared is not None and not self.breaker.closed and await self._answers(self._shared.storage):
            self.breaker.succeeded()
            logger.warning("Redis answers again: limits hold over all pods")

    async def _answers(self, counters: Storage) -> bool:
        try:
            return bool(await counters.check())
        except Exception:  # noqa: BLE001 - whatever is wrong, Redis does not answer
            return False

    async def _hit(self, subject: str, size: int) -> bool:
        if self._shared is not None and self.breaker.closed:
            try:
                admitted = await self._hit_in(self._shared, subject, size)
            except Exception as error:  # noqa: BLE001 - redis and limits raise many kinds; all mean: no answer
                self.breaker.failed()
                if not self.breaker.closed:
                    logger.error("Redis does not answer (%s): limits hold per pod", type(error).__name__)  # noqa: TRY400
            else:
                self.breaker.succeeded()
                self.admitted["redis"] += size * admitted
                return admitted
        admitted = await self._hit_in(self._pod, subject, size)
        self.admitted["pod"] += size * admitted
        return admitted

    async def _hit_in(self, strategy: SlidingWindowCounterRateLimiter, subject: str, size: int) -> bool:
        # Burst first: who only bursts too fast must not use up the sustained limit by being refused.
        async with asyncio.timeout(self._timeout_seconds):
            for item in self._items:
                if not await strategy.hit(item, subject, cost=size):
                    return False
        return True

    async def _too_many(self, subject: str) -> Problem:
        wait, which = 1.0, self._items[0]
        strategy = self._shared if self._shared is not None and self.breaker.closed else self._pod
        try:
            for item in self._items:
                stats = await strategy.get_window_stats(item, subject)
                if stats.remaining < 1 and stats.reset_time - time.time() > wait:
                    wait, which = stats.reset_time - time.time(), item
        except Exception:  # noqa: BLE001 - the answer stays 429, only less exact
            self.breaker.failed()
        seconds = str(min(math.ceil(wait), which.get_expiry())).encode()
        name = b"burst" if which is self._items[0] else b"sustained"
        return Problem(
            429,
            f"{which.amount} requests in {which.get_expiry()} s are used up",
            kind="too-many-requests",
            headers=[
                (b"retry-after", seconds),
                (b"ratelimit", b'"' + name + b'";r=0;t=' + seconds),
                self.policy_header,
            ],
        )

    def _forget(self) -> None:
        now = time.monotonic()
        kept = {s: lease for s, lease in self._leases.items() if lease.until >= now or lease.lock.locked()}
        self._leases = kept if len(kept) <= REMEMBERED else {}


def _items(burst: str, sustained: str) -> tuple[RateLimitItem, RateLimitItem]:
    try:
        return parse(burst), parse(sustained)
    except ValueError as error:
        raise BadInput(
            "SLIPWAY_BURST_LIMIT or SLIPWAY_SUSTAINED_LIMIT does not parse",
            expected="a limit like 100/second or 3000/minute",
            found=f"{burst}, {sustained}: {error}",
            hint="export SLIPWAY_BURST_LIMIT=100/second SLIPWAY_SUSTAINED_LIMIT=3000/minute",
        ) from None


def _strategy(storage: Storage) -> SlidingWindowCounterRateLimiter:
    return SlidingWindowCounterRateLimiter(storage)

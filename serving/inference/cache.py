"""Answers kept: in the process first, then in Redis for all pods.

A key holds the model's digest, so a new model never meets an old answer. What
comes from Redis carries a keyed MAC over key and value: who can write to Redis
still cannot put a wrong answer into a response.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.input.validation import Batch
from serving.tasks import Tasks
from slipway.breaker import Breaker

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

KEY = b"slipway:answer:%b"
MAC_BYTES = 16
# A large batch hardly ever comes twice; its key alone would cost more than it saves.
MOST_ROWS = 8
MOST_WRITES = 64


class Cache:
    """Look up and keep the scores of small batches."""

    def __init__(
        self, digest: str, entries: int, seconds: int, secret: str, breaker: Breaker, tasks: Tasks | None = None,
        shape: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self.hits = {"process": 0, "redis": 0}
        self.misses = 0
        self.forged = 0
        self._prefix = bytes.fromhex(digest)
        self._entries = entries
        self._seconds = seconds
        self._redis: Redis | None = None
        self._secret = hashlib.blake2b(secret.encode(), digest_size=32).digest()
        self._breaker = breaker
        self._kept: OrderedDict[bytes, tuple[float, np.ndarray]] = OrderedDict()
        self._tasks = tasks or Tasks()
        self._shape = shape

    def share(self, redis: Redis) -> None:
        """Keep answers in Redis too from now on."""
        self._redis = redis

    def key(self, batch: Batch) -> bytes | None:
        """Name a batch by the model's digest and its canonical input; None when it is not worth keeping."""
        if len(batch) > MOST_ROWS:
            return None
        name = hashlib.blake2b(self._prefix, digest_size=32)
        name.update(len(batch).to_bytes(4, "little") + batch.numeric.tobytes())
        # No string holds a unit separator: control characters are refused.
        name.update("\x1f".join(batch.categorical.ravel().tolist()).encode())
        return name.digest()

    async def get(self, key: bytes) -> np.ndarray | None:
        """Return the scores kept under this key, `(n, …) float32`."""
        found = self._kept.get(key)
        if found is not None and found[0] > time.monotonic():
            self._kept.move_to_end(key)
            self.hits["process"] += 1
            return found[1]
        scores = await self._from_redis(key) if self._redis is not None and self._breaker.closed else None
        if scores is None:
            self.misses += 1
        return scores

    def put(self, key: bytes, scores: np.ndarray) -> None:
        """Keep scores; nothing waits for the write to Redis."""
        self._keep(key, scores)
        if self._redis is not None and self._breaker.closed and self._tasks.running < MOST_WRITES:
            self._tasks.spawn("cache-write", self._to_redis(key, scores.tobytes()))

    def _keep(self, key: bytes, scores: np.ndarray) -> None:
        if self._entries:
            self._kept[key] = (time.monotonic() + self._seconds, scores)
            if len(self._kept) > self._entries:
                self._kept.popitem(last=False)

    async def _from_redis(self, key: bytes) -> np.ndarray | None:
        assert self._redis is not None  # noqa: S101 - get() asked
        try:
            value: Any = await self._redis.get(KEY % key)
        except Exception:  # noqa: BLE001 - redis raises many kinds; all mean: no answer
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        if value is None:
            return None
        scores, mac = value[:-MAC_BYTES], value[-MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(key, scores)):
            self.forged += 1
            logger.error("a cached answer has a wrong MAC: another program writes to Redis")
            return None
        self.hits["redis"] += 1
        found = np.frombuffer(scores, np.float32).reshape(-1, *self._shape)
        self._keep(key, found)
        return found

    async def _to_redis(self, key: bytes, scores: bytes) -> None:
        assert self._redis is not None  # noqa: S101 - put() asked
        try:
            await self._redis.set(KEY % key, scores + self._mac(key, scores), ex=self._seconds)
        except Exception:  # noqa: BLE001 - redis raises many kinds; all mean: no answer
            self._breaker.failed()

    def _mac(self, key: bytes, scores: bytes) -> bytes:
        return hashlib.blake2b(key + scores, key=self._secret, digest_size=MAC_BYTES).digest()

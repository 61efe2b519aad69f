"""Does the cache pay? CPU of one row: computed, found in the process, found in Redis.

python benchmarks/serving/cache.py [FOLDER of an exported version]
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from redis.asyncio import Redis as Client

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from serving.inference import cache, model  # noqa: E402
from serving.input import validation  # noqa: E402
from slipway.breaker import Breaker  # noqa: E402
from tests.fixtures.servers import Redis  # noqa: E402

TIMES = 5000


async def main() -> None:
    """Measure and print."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/fixtures/flight-delay"
    served = model.load(folder)
    rows = json.loads((folder / "golden.json").read_bytes())["rows"]
    batch = validation.Reader(served.schema, 10).read(json.dumps({"rows": rows[:1]}).encode())
    redis = Redis(Path(tempfile.mkdtemp()))
    try:
        store = Client.from_url(redis.url, socket_timeout=1.0)
        local = cache.Cache(served.digest, 1000, 300, "s" * 16, Breaker("redis"))
        shared = cache.Cache(served.digest, 0, 300, "s" * 16, Breaker("redis"))
        shared.share(store)
        scores = served.scores(batch.numeric, batch.categorical)
        for one in (local, shared):
            one.put(one.key(batch) or b"", scores)
        await asyncio.sleep(0.2)

        async def computed() -> None:
            served.scores(batch.numeric, batch.categorical)

        async def found_here() -> None:
            assert await local.get(local.key(batch) or b"") is not None

        async def found_in_redis() -> None:
            assert await shared.get(shared.key(batch) or b"") is not None

        for name, ask in (("the model", computed), ("in the process", found_here), ("in Redis", found_in_redis)):
            print(f"{name:16} {await _microseconds(ask):8.1f} µs of CPU a row")
        await store.aclose()
    finally:
        redis.kill()


async def _microseconds(ask: Callable[[], Awaitable[None]]) -> float:
    await ask()
    began = time.process_time()
    for _ in range(TIMES):
        await ask()
    return (time.process_time() - began) / TIMES * 1e6


if __name__ == "__main__":
    asyncio.run(main())

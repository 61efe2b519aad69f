"""One soak: the real server with PostgreSQL, spool, Redis and a provider of keys, under load and faults."""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from journal import upkeep
from serving.access import token
from tests.fixtures.servers import Postgres, Redis, Server, wait_until
from tests.integration.serving.conftest import MODEL, signed
from tests.soak.faults import Faults
from tests.soak.load import Load
from tests.soak.provider import providing
from tests.soak.watch import Samples, Watch

CALIBRATION_SECONDS = 5.0
# A fault lasts, and then everything works, for so many seconds.
LASTS, CALM = (1.0, 8.0), (1.0, 5.0)
HEALED_SECONDS = 60.0
# The server is killed and started again in the first part of a soak; the rest is one process, whose growth is measured.
KILLS_UNTIL = 0.3
ANSWERS = {200, 429, 503}
# Small: it fills where the database is away for some seconds.
SPOOL_BYTES = 4 << 20
UNLIMITED = {"burst_limit": "100000/second", "sustained_limit": "6000000/minute"}


@dataclass(frozen=True)
class Found:
    """What a soak measured; `wrong` says what broke a promise."""

    seed: int
    rate: float
    faults: Counter[str]
    statuses: Counter[int]
    unknown: Counter[str]
    accepted: int
    lost: int
    twice: int
    made_up: int
    last: Samples

    @property
    def memory_growth(self) -> float:
        """Bytes that the last process grew by."""
        return self.last.growth(self.last.memory)

    @property
    def descriptor_growth(self) -> float:
        """Descriptors that the last process grew by."""
        return self.last.growth(self.last.descriptors)

    def wrong(self, most_bytes: float, most_descriptors: float) -> list[str]:
        """List the promises that were broken."""
        found = [f"an answer {status}" for status in self.statuses if status not in ANSWERS]
        counts = {"lost": self.lost, "there twice": self.twice, "of no request": self.made_up}
        found += [f"{count} rows {what}" for what, count in counts.items() if count]
        if self.memory_growth > most_bytes:
            found.append(f"memory grew by {self.memory_growth:.0f} bytes")
        if self.descriptor_growth > most_descriptors:
            found.append(f"descriptors grew by {self.descriptor_growth:.1f}")
        return found


def soak(seconds: float, seed: int, tell: Callable[[str], None]) -> Found:
    """Run the server for so long, with the faults of this seed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-soak-")))
        keys = folder / "keys"
        keys.mkdir()
        token.ensure_keys(keys)
        postgres = Postgres()
        stack.callback(postgres.stop)
        redis = Redis(folder / "redis")
        stack.callback(redis.kill)
        provider = stack.enter_context(providing(keys / token.PUBLIC))
        url = postgres.new_database()
        upkeep.migrate(url)
        server = Server(
            MODEL, folder / "server", jwks=provider.url, jwks_refresh_seconds=1, database_url=url, redis_url=redis.url,
            spool_bytes=SPOOL_BYTES, body_seconds=3, header_seconds=3, **UNLIMITED,
        )  # fmt: skip
        server.start()
        stack.callback(server.stop)
        return Soak(server, Faults(server, postgres, redis, provider), keys, url, seed, tell).run(seconds)


class Soak:
    """The course of one soak on parts that run."""

    def __init__(
        self, server: Server, faults: Faults, keys: Path, url: str, seed: int, tell: Callable[[str], None]
    ) -> None:
        self._server, self._faults, self._keys, self._url = server, faults, keys, url
        self._seed, self._tell = seed, tell
        self._random = random.Random(seed)
        self._rows = json.loads((MODEL / "golden.json").read_bytes())["rows"]
        self._happened: Counter[str] = Counter()
        self._watch = Watch(server.process.pid)

    def run(self, seconds: float) -> Found:
        """Measure the capacity, then ask for half of it while faults come and go."""
        first = self._load(0.0)
        with first:
            time.sleep(CALIBRATION_SECONDS)
        rate = len(first.answered) / CALIBRATION_SECONDS / 2
        self._tell(f"seed {self._seed}: {rate:.0f} requests a second for {seconds:.0f} s")
        with self._load(rate) as load:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                self._fault(kills=time.monotonic() < ends - seconds * (1 - KILLS_UNTIL))
        self._watch.stop()
        answered = first.answered | load.answered
        return self._compared(rate, answered, first.unknown | load.unknown, load)

    def _load(self, rate: float) -> Load:
        return Load(self._server.port, self._rows, lambda n: signed(self._keys, f"caller-{n}", ["predict"]), rate)

    def _fault(self, kills: bool) -> None:
        chosen = self._random.choice([*self._faults.all, *(["server killed"] if kills else [])])
        lasts = self._random.uniform(*LASTS)
        self._happened[chosen] += 1
        self._tell(f"{chosen}, {lasts:.1f} s")
        if chosen == "server killed":
            self._server.kill()
            self._server.start()
            self._watch.follow(self._server.process.pid)
        else:
            with self._faults.all[chosen]():
                time.sleep(lasts)
        wait_until(self._server.ready, HEALED_SECONDS, f"the server being ready after: {chosen}")
        time.sleep(self._random.uniform(*CALM))

    def _compared(self, rate: float, answered: dict[str, int], unknown: set[str], load: Load) -> Found:
        """Compare what was answered with what the journal holds, once it has caught up."""
        accepted = {name for name, status in answered.items() if status == 200}
        wait_until(lambda: accepted <= set(self._journal()), HEALED_SECONDS, "the journal catching up")
        ids = self._journal()
        return Found(
            self._seed, rate, self._happened, Counter(answered.values()), load.failures, len(accepted),
            len(accepted - set(ids)), len(ids) - len(set(ids)), len(set(ids) - accepted - unknown),
            self._watch.series[-1],
        )  # fmt: skip

    def _journal(self) -> list[str]:
        with psycopg.connect(self._url) as connection:
            return [name for (name,) in connection.execute("SELECT request_id FROM predictions").fetchall()]

"""The public keys that sign tokens, kept fresh beside the requests.

One reading at a time, and no request waits for it longer than a moment: a
token with an unknown kid is refused, and asks for a reading, not too often.
While the set cannot be read the last good one serves, for a bounded time; then
every token is refused, and the server is not ready.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

from serving.access import download, signers
from serving.access.jwks import Key
from serving.access.signers import Signers
from slipway.errors import BadInput, SlipwayError, Unavailable

logger = logging.getLogger(__name__)

# A token with an unknown kid may ask for a reading; tokens are anybody's, so not often.
LEAST_SECONDS_BETWEEN = 2.0
# So that a key that is new works at its first use. Few may wait at once: their places are shared by all.
WAIT_SECONDS = 0.5
MOST_WAITING = 4
# Beyond the time of a reading: for its thread to start and to hand over.
SPARE_SECONDS = 2.0


class KeySet:
    """The keys; `generation` moves whenever the set changes."""

    def __init__(self, source: str, refresh_seconds: float, stale_seconds: float, smoke: Path | None = None) -> None:
        self.generation = 0
        self.failures = 0
        self.stale_seconds = stale_seconds
        self._source = source
        self._smoke = smoke
        self._refresh_seconds = refresh_seconds
        self._keys = Signers()
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._wanted = asyncio.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._reader: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def age_seconds(self) -> float:
        """Seconds since the set was last read; infinite before."""
        return time.monotonic() - self._read_at

    @property
    def stale(self) -> bool:
        """Whether the last good reading is too old to be trusted."""
        return self.age_seconds > self.stale_seconds

    @property
    def patience_seconds(self) -> float:
        """The longest time that one `pass_by` takes."""
        return self._refresh_seconds + download.FETCH_SECONDS + SPARE_SECONDS

    def load(self) -> None:
        """Read the set for the first time.

        Raises:
            BadInput: the set does not parse, or holds no key that may verify tokens.
            Unavailable: it cannot be read.
        """
        keys = signers.read(self._source, self._smoke)
        if not len(keys.issuer):
            raise BadInput(
                f"the keys at {self._source} hold none that may verify tokens",
                expected="a public key: RSA, EC with P-256 or Ed25519",
                found="; ".join(keys.issuer.skipped)[:300] or "an empty set",
                hint="publish a signing key there, or set SLIPWAY_JWKS to another address",
            )
        self._take(keys)

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys that a token with this kid may have been signed with; none asks for a reading."""
        if not self._keys.knows(kid):
            await self._ask_for_a_reading()
        return self._keys.find(kid)

    async def pass_by(self) -> None:
        """Wait until it is time to read the set again, or it is asked for; then read it."""
        try:
            async with asyncio.timeout(self._refresh_seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass
        await self.refresh()

    async def refresh(self) -> None:
        """Read the set again; on failure keep the last good one and log why."""
        self._tried_at = time.monotonic()
        try:
            self._take(await self._fetched())
        except SlipwayError as error:
            self.failures += 1
            logger.error("keys cannot be read again: %s: %s", error.thing, error.found)  # noqa: TRY400
        finally:
            self._tried_at = time.monotonic()
            self._wanted.clear()
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def _ask_for_a_reading(self) -> None:
        if not self._wanted.is_set():
            if time.monotonic() - self._tried_at < LEAST_SECONDS_BETWEEN:
                return
            self._wanted.set()
        if len(self._waiting) >= MOST_WAITING:
            return
        read = asyncio.get_running_loop().create_future()
        self._waiting.add(read)
        try:
            await asyncio.wait([read], timeout=WAIT_SECONDS)
        finally:
            self._waiting.discard(read)

    async def _fetched(self) -> Signers:
        """Fetch and parse in a thread of its own: the server's threads are not for a stranger's address to hold."""
        if self._reader is not None and self._reader.is_alive():
            raise unread(self._source, "the last reading has not ended")
        loop = asyncio.get_running_loop()
        fetched: asyncio.Future[Signers] = loop.create_future()
        self._reader = threading.Thread(
            target=_fetch, args=(self._source, self._smoke, loop, fetched), name="keys", daemon=True
        )
        self._reader.start()
        try:
            async with asyncio.timeout(download.FETCH_SECONDS + SPARE_SECONDS / 2):
                await asyncio.wait([fetched])
            self._reader = None  # it handed over, and is about to end
            return fetched.result()
        except TimeoutError:
            raise unread(self._source, f"no answer within {download.FETCH_SECONDS:g} s") from None

    def _take(self, keys: Signers) -> None:
        before, self._keys = self._keys, keys
        if keys.content != before.content or keys.notes != before.notes:
            self.generation += 1
            for note in keys.notes:
                if note not in before.notes:
                    logger.warning("%s", note)
            if not len(keys.issuer):
                logger.error("the key set holds no key that may verify tokens: every token is refused")
        self._read_at = self._tried_at = time.monotonic()


def unread(source: str, found: str) -> Unavailable:
    """Return the error of a key set that cannot be read now."""
    return Unavailable(
        f"the keys at {source} cannot be read",
        expected="a JWKS",
        found=found,
        hint="check SLIPWAY_JWKS and the network; the server tries again by itself",
    )


def _fetch(source: str, smoke: Path | None, loop: asyncio.AbstractEventLoop, fetched: asyncio.Future[Signers]) -> None:
    try:
        outcome: Signers | Exception = signers.read(source, smoke)
    except Exception as error:  # noqa: BLE001 - handed over, whatever it is
        known = isinstance(error, SlipwayError)
        outcome = error if known else unread(source, f"{type(error).__name__}: {error}")

    def hand_over() -> None:
        if fetched.done():
            return
        if isinstance(outcome, Exception):
            fetched.set_exception(outcome)
        else:
            fetched.set_result(outcome)

    if not loop.is_closed():
        loop.call_soon_threadsafe(hand_over)

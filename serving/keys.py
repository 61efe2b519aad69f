"""The public keys that sign tokens: a JWKS file or URL, read again and again.

A key that is added is found at once, a key that is removed is forgotten with
the next reading. While the set cannot be read the last good one serves, for a
bounded time; then nobody gets in. Refuses private keys, symmetric keys, weak
RSA keys, and plain http except on this machine.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec

from slipway.errors import BadInput, Unavailable

logger = logging.getLogger(__name__)

LARGEST_SET = 1 << 20
FETCH_SECONDS = 3.0
# A token with an unknown kid may ask for a reading; tokens are anybody's, so not often.
LEAST_SECONDS_BETWEEN = 2.0
SHORTEST_RSA = 2048


class KeySet:
    """The keys by kid; `generation` moves whenever the set changes."""

    def __init__(self, source: str, refresh_seconds: float, stale_seconds: float) -> None:
        self.generation = 0
        self.failures = 0
        self._source = source
        self._refresh_seconds = refresh_seconds
        self._stale_seconds = stale_seconds
        self._content = b""
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = 0.0
        self._tried_at = 0.0
        self._reading = asyncio.Lock()

    @property
    def stale(self) -> bool:
        """Whether the last good reading is too old to be trusted."""
        return time.monotonic() - self._read_at > self._stale_seconds

    def load(self) -> None:
        """Read the set for the first time.

        Raises:
            BadInput: the set does not parse or holds a key that must not be there.
            Unavailable: it cannot be read.
        """
        self._take(read(self._source))

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key of this kid; an unknown one makes the set be read again, not too often."""
        if kid not in self._keys and time.monotonic() - self._tried_at >= LEAST_SECONDS_BETWEEN:
            await self.refresh()
        return self._keys.get(kid)

    async def refresh(self) -> None:
        """Read the set again; on failure keep the last good one and say so."""
        async with self._reading:
            self._tried_at = time.monotonic()
            try:
                self._take(await asyncio.to_thread(read, self._source))
            except (BadInput, Unavailable) as error:
                self.failures += 1
                logger.error("keys cannot be read again: %s", error.found)  # noqa: TRY400

    async def keep_fresh(self) -> None:
        """Read the set again for ever."""
        while True:
            await asyncio.sleep(self._refresh_seconds)
            await self.refresh()

    def _take(self, content: bytes) -> None:
        if content != self._content:
            self._keys = parse(content)
            self._content = content
            self.generation += 1
        self._read_at = time.monotonic()


def read(source: str) -> bytes:
    """Fetch the bytes of a key set from a file or URL."""
    address = urlsplit(source)
    local = address.hostname in ("127.0.0.1", "localhost", "::1")
    if address.scheme == "http" and not local:
        raise BadInput("keys over plain http", expected="https:// or a file", found=source)
    try:
        if address.scheme not in ("http", "https"):
            with Path(source).open("rb") as file:
                return file.read(LARGEST_SET)
        with urllib.request.urlopen(source, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - scheme checked above
            return bytes(answer.read(LARGEST_SET))
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"the keys at {source} cannot be read",
            expected="a JWKS",
            found=str(error),
            hint="slipway token  (makes keys for development)",
        ) from None


def parse(content: bytes) -> dict[str, jwt.PyJWK]:
    """Read the keys of a JWKS by kid.

    Raises:
        BadInput: not a JWKS, or a key in it is private, symmetric, weak or has no kid.
    """
    try:
        listed = msgspec.json.decode(content)["keys"]
        return dict(_key(entry) for entry in listed)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, jwt.PyJWTError, ValueError) as error:
        raise BadInput("the key set does not parse", expected="a JWKS (RFC 7517)", found=str(error)) from None


def _key(entry: dict[str, Any]) -> tuple[str, jwt.PyJWK]:
    kid = entry["kid"]
    kind = entry["kty"]
    if kind not in ("RSA", "OKP") or (kind == "OKP" and entry.get("crv") != "Ed25519"):
        raise BadInput(f"key {kid} is of no use", expected="RSA or Ed25519", found=str(kind))
    if "d" in entry:
        raise BadInput(f"key {kid} is private", expected="public keys only", found="a private key")
    key = jwt.PyJWK(
        {name: value for name, value in entry.items() if name != "alg"}, "RS256" if kind == "RSA" else "EdDSA"
    )
    if kind == "RSA" and key.key.key_size < SHORTEST_RSA:
        raise BadInput(f"key {kid} is weak", expected=f"at least {SHORTEST_RSA} bits", found=str(key.key.key_size))
    return str(kid), key

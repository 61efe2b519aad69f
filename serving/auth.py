"""Who asks, and what they may: JSON Web Tokens checked against pinned keys and algorithms.

A token names its key by `kid`; the key comes from our own key set and says
which algorithm it is for. What the token's header says of algorithms, key
addresses or certificates is never followed. A verified token is remembered by
its hash until it expires or the key set changes, so a request costs one lookup.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import jwt
import msgspec

from serving.keys import KeySet
from serving.problem import Problem

# An asymmetric algorithm a key type, and no other.
ALGORITHMS = {"RSA": "RS256", "OKP": "EdDSA"}
ROLES = frozenset({"predict", "operate"})
LEEWAY_SECONDS = 5
LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 200
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified subject with its roles; `encoded` is the subject as JSON."""

    subject: str
    roles: frozenset[str]
    expires: float
    encoded: bytes


ANONYMOUS = Principal("anonymous", ROLES, float("inf"), b'"anonymous"')


class Authenticator:
    """Turn an Authorization header into a principal."""

    def __init__(self, keys: KeySet, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._known: dict[bytes, Principal] = {}
        self._generation = -1

    async def principal(self, header: bytes | None) -> Principal:
        """Return whom the header proves.

        Raises:
            Problem: 401 for every token that is not right in every way, 503 when no keys can be had.
        """
        if header is None or header[:7].lower() != b"bearer ":
            raise _unauthorized("send Authorization: Bearer TOKEN", error=False)
        token = header[7:].strip()
        if self._generation != self._keys.generation:
            self._known.clear()
            self._generation = self._keys.generation
        if self._keys.stale:
            raise Problem(503, "the keys that tokens are checked with cannot be read", kind="no-keys")
        key = hashlib.sha256(token).digest()
        principal = self._known.get(key)
        if principal is None or principal.expires <= time.time():
            principal = await self._verify(token)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = principal
        return principal

    async def _verify(self, token: bytes) -> Principal:
        if len(token) > LONGEST_TOKEN:
            raise _unauthorized("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise _unauthorized("the token is not a JWT") from None
        kid = header.get("kid")
        key = await self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise _unauthorized("the token's kid names no key of ours")
        algorithm = ALGORITHMS[str(key.key_type)]
        if header.get("alg") != algorithm:
            raise _unauthorized(f"the key is for {algorithm}")
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"], "strict_aud": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise _unauthorized(f"the token does not verify: {type(error).__name__}") from None
        return _principal(claims)


def require(principal: Principal, *roles: str) -> None:
    """Let through whoever has one of the roles.

    Raises:
        Problem: 403.
    """
    if principal.roles.isdisjoint(roles):
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(roles)}"'.encode()
        raise Problem(
            403,
            f"the token needs the role {' or '.join(roles)}",
            kind="forbidden",
            headers=[(b"www-authenticate", challenge)],
        )


def _principal(claims: dict[str, Any]) -> Principal:
    subject = claims["sub"]
    if not subject or len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise _unauthorized("sub must be printable text of 1 to 200 characters")
    given = claims.get("roles", [])
    roles = ROLES.intersection(r for r in given if isinstance(r, str)) if isinstance(given, list) else frozenset()
    return Principal(subject, roles, float(claims["exp"]), msgspec.json.encode(subject))


def _unauthorized(detail: str, *, error: bool = True) -> Problem:
    challenge = b'Bearer error="invalid_token"' if error else b"Bearer"
    return Problem(401, detail, kind="unauthorized", headers=[(b"www-authenticate", challenge)])

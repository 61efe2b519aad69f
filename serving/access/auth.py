"""Who asks, and what they may: JSON Web Tokens checked against pinned keys and algorithms.

A token names its key by `kid`; the key comes from our own key set and fixes
which algorithm it is for. What the token's header holds of algorithms, key
addresses or certificates is never followed. A verified token is remembered by
its hash until it expires or the key set changes, so a request costs one lookup.
No request waits for the key set because of a stranger's token.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

import jwt
import msgspec

from serving.access import claims, signers
from serving.access.jwks import Key
from serving.access.keys import KeySet
from serving.http.principal import Principal
from serving.http.problem import Problem

LEEWAY_SECONDS = 5
LONGEST_TOKEN = 8192
REMEMBERED = 20_000
OWN_NAME = "slipway"  # issuer and audience of the tokens that the project makes itself
# What `serving.access.claims` looks at itself: the library takes `true` for a time, and fails on 10**400.
OPTIONS: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_sub"), False) | {
    "require": ["exp", "iss", "aud", "sub"]
}


class Authenticator:
    """Turn an Authorization header into a principal."""

    def __init__(self, keys: KeySet, issuer: str, audience: str, roles_claim: str = "roles") -> None:
        self._keys = keys
        self._roles_claim = roles_claim
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
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _unauthorized("the token is not a JWT") from None
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise _unauthorized("the token's kid is not text")
        keys = await self._keys.find(kid)
        if not keys:
            raise _unauthorized("the token's kid names no key of ours")
        fitting = [key for key in keys if key.algorithm == header.get("alg")]
        if not fitting:
            raise _unauthorized(f"the key is for {keys[0].algorithm}")
        found, key = self._signed(token, fitting)
        return self._of_smoke(found) if key.smoke else self._principal(found, self._roles_claim)

    def _signed(self, token: bytes, keys: list[Key]) -> tuple[dict[str, Any], Key]:
        """Return the claims of a token, and the one of these keys that signed it."""
        reason = ""
        for key in keys:
            # The smoke test has no identity provider: its tokens name the project, whatever the issuer of the others.
            issuer = [self._issuer, OWN_NAME] if key.smoke else self._issuer
            audience = [self._audience, OWN_NAME] if key.smoke else self._audience
            try:
                return jwt.decode(
                    token,
                    key.public,
                    algorithms=[key.algorithm],
                    issuer=issuer,
                    audience=audience,
                    options=OPTIONS,
                ), key
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                reason = type(error).__name__
        raise _unauthorized(f"the token does not verify: {reason}")

    def _of_smoke(self, found: dict[str, Any]) -> Principal:
        """Return what a token of the smoke test's key proves, whatever it claims beyond."""
        principal = self._principal(found, "roles")
        if principal.subject != signers.SUBJECT:
            raise _unauthorized(f"the smoke test's key signs for the subject {signers.SUBJECT} alone")
        looked = f"; the smoke test's key gives {', '.join(signers.ROLES)} alone"
        return replace(principal, roles=principal.roles & signers.ROLES, looked=principal.looked + looked)

    def _principal(self, found: dict[str, Any], roles_claim: str) -> Principal:
        try:
            subject = claims.subject(found)
            expires = claims.times(found, time.time(), LEEWAY_SECONDS)
        except claims.Unfit as unfit:
            raise _unauthorized(str(unfit)) from None
        roles, there = claims.roles(found, roles_claim)
        looked = f" in the claim {roles_claim}: {there}"
        return Principal(subject, roles, expires, msgspec.json.encode(subject), looked)


def require(principal: Principal, *roles: str) -> None:
    """Let through whoever has one of the roles.

    Raises:
        Problem: 403.
    """
    if principal.roles.isdisjoint(roles):
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(roles)}"'.encode()
        raise Problem(
            403,
            f"the token needs the role {' or '.join(roles)}{principal.looked}",
            kind="forbidden",
            headers=[(b"www-authenticate", challenge)],
        )


def _unauthorized(detail: str, *, error: bool = True) -> Problem:
    challenge = b'Bearer error="invalid_token"' if error else b"Bearer"
    return Problem(401, detail, kind="unauthorized", headers=[(b"www-authenticate", challenge)])

"""The keys of a JWKS that may verify our tokens, read as RFC 7517 defines.

A key that is not understood, not meant for signatures or not safe is skipped
with its reason, and never takes the others with it. Refuses only what is not a
JWKS.

Source: https://www.rfc-editor.org/rfc/rfc7517#section-5, https://www.rfc-editor.org/rfc/rfc7518#section-6
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import jwt
import msgspec

from slipway.errors import BadInput

# A kind of key and its curve, and the one algorithm that such a key verifies.
ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
SHORTEST_RSA, LONGEST_RSA = 2048, 8192  # bits
MOST_KEYS = 100
# How many keys a token that does not name one may be tried with.
MOST_TRIED = 4
LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the one algorithm that it verifies; `smoke` where it signs for the smoke test alone."""

    algorithm: str
    public: Any
    smoke: bool = False


@dataclass(frozen=True)
class Keys:
    """The usable keys by kid, None for those without; `skipped` has the reason for each other key."""

    by_kid: dict[str | None, tuple[Key, ...]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(keys) for keys in self.by_kid.values())

    def knows(self, kid: str | None) -> bool:
        """Say whether there is a key that a token with this kid may have been signed with."""
        return bool(self.find(kid))

    def find(self, kid: str | None) -> tuple[Key, ...]:
        """Return the keys of this kid; without one, those that have no kid, or the only key there is."""
        keys = self.by_kid.get(kid, ()) or self.by_kid.get(None, ())
        if not keys and kid is None and len(self) == 1:
            keys = next(iter(self.by_kid.values()))
        return keys[:MOST_TRIED]


def parse(content: bytes) -> Keys:
    """Read the keys of a JWKS that may verify signatures; there may be none.

    Raises:
        BadInput: not a JWKS.
    """
    try:
        listed = msgspec.json.decode(content)["keys"]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError) as error:
        raise _no_set(f"{type(error).__name__}: {error}") from None
    if not isinstance(listed, list):
        raise _no_set("`keys` is not a list")
    found: defaultdict[str | None, list[Key]] = defaultdict(list)
    skipped = [f"{len(listed) - MOST_KEYS} keys past the first {MOST_KEYS}"] if len(listed) > MOST_KEYS else []
    for index, entry in enumerate(listed[:MOST_KEYS]):
        try:
            kid, key = _key(entry)
            found[kid].append(key)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, AttributeError) as error:
            skipped.append(f"key {_name(entry, index)}: {error}"[:300])
    return Keys({kid: tuple(keys) for kid, keys in found.items()}, tuple(skipped))


def _key(entry: Any) -> tuple[str | None, Key]:
    if not isinstance(entry, dict):
        raise TypeError("expected an object")
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TypeError("its kid is not a string")
    curve = entry.get("crv") if entry.get("kty") in ("EC", "OKP") else None
    kind = str(entry.get("kty")), curve if curve is None else str(curve)
    algorithm = ALGORITHMS.get(kind)
    if algorithm is None:
        raise ValueError(f"expected RSA, EC P-256 or OKP Ed25519, found {_short(' '.join(filter(None, kind)))}")
    if (refusal := _refusal(entry, algorithm)) is not None:
        raise ValueError(refusal)
    public = jwt.PyJWK({name: value for name, value in entry.items() if name != "alg"}, algorithm).key
    if kind[0] == "RSA" and not SHORTEST_RSA <= public.key_size <= LONGEST_RSA:
        raise ValueError(f"expected {SHORTEST_RSA} to {LONGEST_RSA} bits, found {public.key_size}")
    return kid, Key(algorithm, public)


def _refusal(entry: dict[str, Any], algorithm: str) -> str | None:
    """Say why a key that is understood must not verify tokens."""
    if "d" in entry:
        return "it is private; revoke it, anyone could read it"
    if entry.get("use", "sig") != "sig":
        return f"its use is {_short(entry['use'])}, not sig"
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "its key_ops lack verify"
    if entry.get("alg", algorithm) != algorithm:
        return f"its alg is {_short(entry['alg'])}; expected {algorithm}"
    return None


def _name(entry: Any, index: int) -> str:
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return _short(kid) if kid is not None else f"number {index + 1}"


def _short(value: Any) -> str:
    return ascii(value)[:LONGEST_SHOWN]


def _no_set(found: str) -> BadInput:
    return BadInput(
        "the key set does not parse",
        expected="a JWKS (RFC 7517): an object with a list of `keys`",
        found=found[:200],
        hint="open the address or file of SLIPWAY_JWKS and compare",
    )

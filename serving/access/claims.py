"""What a verified token claims of its bearer: subject, time, roles.

The issuer is trusted, its shapes are its own: roles are found where the
setting names, as a list or as words of one text. Refuses times that are no
time, and subjects that cannot be logged as text.
"""

from __future__ import annotations

import json
from typing import Any

from serving.http.principal import ROLES

LONGEST_SUBJECT = 200
LARGEST_SUBJECT = 1 << 63
# The last second of the year 9999: a later time is milliseconds, or nonsense.
LATEST = 253_402_300_799
LONGEST_SHOWN = 80


class Unfit(Exception):
    """A claim is not what it must be."""


def subject(claims: dict[str, Any]) -> str:
    """Return who the token is for; an integer, as some issuers send, counts as its digits.

    Raises:
        Unfit: no printable text of 1 to 200 characters.
    """
    found = claims.get("sub")
    if isinstance(found, int) and not isinstance(found, bool) and abs(found) < LARGEST_SUBJECT:
        found = str(found)
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_SUBJECT or not found.isprintable():
        raise Unfit(f"sub must be printable text of 1 to {LONGEST_SUBJECT} characters, or an integer")
    return found


def times(claims: dict[str, Any], now: float, leeway_seconds: float) -> float:
    """Check `exp`, `nbf` and `iat` against `now`, all in seconds since 1970; return `exp`.

    Raises:
        Unfit: one is not a time, or now is not between them.
    """
    expires = _time(claims, "exp")
    if expires is None:
        raise Unfit("exp is missing")
    if expires <= now - leeway_seconds:
        raise Unfit("the token has expired (exp)")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins > now + leeway_seconds:
            raise Unfit(f"the token is not valid yet ({name})")
    return expires


def roles(claims: dict[str, Any], path: str) -> tuple[frozenset[str], str]:
    """Return the roles at a path of claims that this server knows, and in words what is there."""
    value = find(claims, path)
    if value is None:
        return frozenset(), "there is no such claim"
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list):
        return frozenset(), "it is neither a list nor text"
    found = ROLES.intersection(word for word in words if isinstance(word, str))
    return found, f"it holds {_short(words)}"


def find(claims: dict[str, Any], path: str) -> Any:
    """Follow a path such as `realm_access.roles` through nested claims; None where it leads nowhere.

    A claim's own name may hold dots, as `https://example.com/roles` does: the longest name that is there wins.
    """
    if path in claims:
        return claims[path]
    position = path.rfind(".")
    while position > 0:
        inner = claims.get(path[:position])
        if isinstance(inner, dict) and (found := find(inner, path[position + 1 :])) is not None:
            return found
        position = path.rfind(".", 0, position)
    return None


def _time(claims: dict[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:  # NaN is not either
        raise Unfit(f"{name} must be seconds since 1970")
    return float(value)


def _short(words: list[Any]) -> str:
    text = json.dumps(words)
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"

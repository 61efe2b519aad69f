"""Who asks, as every room of a request sees it."""

from __future__ import annotations

from dataclasses import dataclass

ROLES = frozenset({"predict", "operate"})


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified subject with its roles; `encoded` is the subject as JSON, `looked` where roles were looked for."""

    subject: str
    roles: frozenset[str]
    expires: float
    encoded: bytes
    looked: str = ""


ANONYMOUS = Principal("anonymous", ROLES, float("inf"), b'"anonymous"')

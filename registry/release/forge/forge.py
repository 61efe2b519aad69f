"""What every forge can do with a request, and what a request is.

A request is a branch `release/MODEL/VERSION` with one commit that copies
staging's release file to production.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from slipway.names import NAME


@dataclass(frozen=True)
class Request:
    """A production release that waits for its approval; `url` and `number` where the forge has them."""

    model: str
    version: int
    branch: str
    tip: str
    author: str
    url: str | None = None
    number: int | None = None
    state: str = "open"
    approvals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Closed:
    """How a request ended without its merge; `by` and `at` (ISO 8601) where the forge knows them."""

    how: str
    by: str | None = None
    at: str | None = None


class Forge(Protocol):
    """Opens, finds and closes requests. Every call may be repeated."""

    @property
    def name(self) -> str: ...

    def open_requests(self, model: str) -> list[Request]:
        """Return the model's open requests, oldest version first."""
        ...

    def request(self, branch: str, tip: str, title: str, body: str) -> Request:
        """Open the request of a pushed branch, or return the one that is open."""
        ...

    def report(self, request: Request, passed: bool, description: str) -> None:
        """Put the verdict `slipway/promotion` on the request's commit."""
        ...

    def closed(self, branch: str, tip: str) -> Closed | None:
        """Return how the request of this branch and commit was closed; None while it is open, or if it was merged."""
        ...

    def close(self, request: Request, reason: str) -> None:
        """Close the request for this reason; a closed one is left alone."""
        ...


def branch_of(model: str, version: int) -> str:
    """Return the branch of a request."""
    return f"release/{model}/{version}"


def of_branch(branch: str) -> tuple[str, int] | None:
    """Return model and version of a request's branch."""
    found = re.fullmatch(rf"release/({NAME})/([1-9][0-9]{{0,8}})", branch)
    return (found[1], int(found[2])) if found else None

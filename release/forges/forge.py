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
class PromotionRequest:
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


@dataclass(frozen=True)
class Proposal:
    """A change that people ask for and that is not a request: its newest commit, and the files it changes.

    `files` has each path, what becomes of it ("added", "modified", "removed", "renamed", …) and the lines that
    change, None where the forge shows none; a renamed file is its old path, removed, too. `files` is None where
    the forge does not list all.
    """

    number: int
    tip: str
    files: tuple[tuple[str, str, str | None], ...] | None


class Forge(Protocol):
    """Opens, finds and closes requests. Every call may be repeated."""

    @property
    def name(self) -> str: ...

    def open_requests(self, model: str) -> list[PromotionRequest]:
        """Return the model's open requests, oldest version first."""
        ...

    def request(self, branch: str, tip: str, title: str, body: str) -> PromotionRequest:
        """Open the request of a pushed branch, or return the one that is open."""
        ...

    def report(self, tip: str, passed: bool, description: str) -> None:
        """Put the verdict `slipway/promotion` on a commit."""
        ...

    def proposals(self, number: int | None = None) -> list[Proposal]:
        """Return what people ask for, or the one of this number, where its newest commit has no verdict."""
        ...

    def closed(self, branch: str, tip: str) -> Closed | None:
        """Return how the request of this branch and commit was closed; None while it is open, or if it was merged."""
        ...

    def close(self, request: PromotionRequest, reason: str) -> None:
        """Close the request for this reason; a closed one is left alone."""
        ...


def branch_of(model: str, version: int) -> str:
    """Return the branch of a request."""
    return f"release/{model}/{version}"


def of_branch(branch: str) -> tuple[str, int] | None:
    """Return model and version of a request's branch."""
    found = re.fullmatch(rf"release/({NAME})/([1-9][0-9]{{0,8}})", branch)
    return (found[1], int(found[2])) if found else None

"""Which open requests can still be approved, as their branches are now."""

from __future__ import annotations

from release.forges.forge import Forge, PromotionRequest
from release.git.manifests import Clone
from release.git.requests import stale, tip


def why_stale(clone: Clone, request: PromotionRequest) -> str | None:
    """Return why an open request can no longer be approved; None while it can."""
    sha = tip(clone, request.branch)
    return None if sha is None else stale(clone, request.model, sha)


def approvable(forge: Forge, clone: Clone, name: str) -> list[PromotionRequest]:
    """Return the open requests that can still be approved, oldest version first."""
    return [request for request in forge.open_requests(name) if why_stale(clone, request) is None]

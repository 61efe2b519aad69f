"""Requests that can no longer be approved: found, turned red, closed with the reason, and put on record."""

from __future__ import annotations

from release.context import Context
from release.forges.forge import PromotionRequest

CLOSE = "close"  # what the audit record calls a request that Slipway closed


def close_request(context: Context, request: PromotionRequest, reason: str) -> None:
    """Close a request for this reason. Whoever looks at what became of it finds the entry that is written first.

    Raises:
        Unavailable: the forge or the audit record does not answer; the same call completes it.
    """
    context.record(
        CLOSE, request.tip, model=request.model, version=request.version, reason=f"{_named(request)}: {reason}"
    )
    refuse(context, request, reason)


def refuse(context: Context, request: PromotionRequest, reason: str) -> None:
    """Turn the check `slipway/promotion` of a request red, and close it."""
    context.forge.report(request.tip, False, reason)
    context.forge.close(request, reason)


def _named(request: PromotionRequest) -> str:
    return request.url or request.branch

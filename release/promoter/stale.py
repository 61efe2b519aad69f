"""Open requests that can no longer be approved, closed with the reason, so that no one merges or waits for them."""

from __future__ import annotations

from registry.tracking import Tracking
from release import model_registry
from release.actions.close_request import close_request
from release.context import Context
from release.forges.approvable import why_stale
from release.promoter.outcome import PassOutcome


def close_stale(context: Context, tracking: Tracking, model: str) -> list[PassOutcome]:
    """Turn the check of each stale request red and close it; of several that could be approved the newest stays."""
    requests = context.forge.open_requests(model)
    if not requests:
        return []
    rejected, found, newest = model_registry.rejected(tracking, model), [], None
    for request in reversed(requests):
        why = rejected.get(request.version) or why_stale(context.clone, request)
        if why is None and newest is not None:
            why = f"version {newest} is asked for now"
        if why is None:
            newest = request.version
            continue
        close_request(context, request, why)
        found.append(PassOutcome("closed", request.version, f"the request {request.url or request.branch}: {why}"))
    return found

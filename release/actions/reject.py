"""`slipway reject`: nothing promotes this version again."""

from __future__ import annotations

from dataclasses import dataclass

from registry.export import find
from registry.tracking import CHAMPION, Version
from release import model_registry
from release.actions.close_request import refuse
from release.actions.store_identity import same_stores
from release.context import Context
from release.environments import PRODUCTION
from slipway.errors import Refused


@dataclass(frozen=True)
class Rejected:
    """The version, the requests that were closed, and whether the alias champion moved away from it."""

    model: str
    version: int
    closed: tuple[str, ...]
    alias_moved: bool


def reject(context: Context, name: str, reference: str, reason: str) -> Rejected:
    """Reject version `reference` of `name`: tag it, close its request, move champion back to what production runs.

    The alias `challenger` stays: it marks which version is the newest, not that it is good.

    Raises:
        BadInput: no such version.
        Refused: production runs it.
    """
    same_stores(context, name)
    tracking = context.open_tracking()
    version = find(tracking, name, reference)
    runs = context.clone.release(name, PRODUCTION)
    if runs is not None and runs.version == version.number:
        raise Refused(
            f"production runs {name} version {version.number}",
            expected="a version that production does not run",
            hint=f"slipway rollback {name} --reason …, which rejects it as well",
        )
    model_registry.reject(tracking, name, version.number, reason)
    requests = [one for one in context.forge.open_requests(name) if one.version == version.number]
    for request in requests:
        refuse(context, request, reason)
    moved = CHAMPION in version.aliases
    if moved:
        model_registry.move_champion(tracking, name, runs.version if runs else None)
    record(context, version, reason)
    return Rejected(name, version.number, tuple(one.url or one.branch for one in requests), moved)


def record(context: Context, version: Version, reason: str) -> None:
    """Record that a version was rejected; once, whoever does it."""
    context.record(
        "reject",
        f"{version.name}:{version.number}:{version.run_id}",
        model=version.name,
        version=version.number,
        source=version.tags.get("image_digest"),
        reason=reason,
    )

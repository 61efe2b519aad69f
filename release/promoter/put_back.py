"""The alias champion put back to what production runs, with the reason on the version and on record."""

from __future__ import annotations

from datetime import UTC, datetime

from registry.tracking import Tracking, Version
from release import model_registry
from release.context import Context
from release.forges.forge import PromotionRequest
from release.promoter.outcome import PassOutcome
from release.release_file import Release


def put_back(
    context: Context,
    tracking: Tracking,
    champion: Version,
    runs: Release | None,
    requests: list[PromotionRequest],
    reasons: str,
) -> list[PassOutcome]:
    """Say no to the version that has the alias, for these reasons."""
    record(context, champion.name, champion.number, "put-back", champion.tags.get("image_digest"), reasons)
    back = move_back(tracking, champion, runs, requests, reasons)
    return [PassOutcome("put back", champion.number, f"{reasons}; {back}")]


def move_back(
    tracking: Tracking,
    champion: Version,
    runs: Release | None,
    requests: list[PromotionRequest],
    reasons: str,
) -> str:
    """Move the alias away from a version, to one that is asked for or runs; return where it is, in words."""
    others = [one.version for one in requests if one.version != champion.number]
    known = {one.number for one in tracking.versions(champion.name)}
    wanted = others[0] if others else (runs.version if runs else None)
    to = wanted if wanted in known else None
    model_registry.refuse(tracking, champion, reasons)
    now = model_registry.champion(tracking, champion.name)  # last: until it is back, the next pass comes here again
    if now is not None and now.number == champion.number:
        model_registry.move_champion(tracking, champion.name, to)
    return f"champion is back at version {to}" if to else "there is no champion"


def record(context: Context, model: str, version: int, action: str, source: str | None, reason: str) -> None:
    """Record what was done about an alias."""
    # By the hour: a pass that was cut off after this is completed by the next without a second entry,
    # and the same wish on another day is another entry.
    of = f"{model}:{version}:{datetime.now(UTC):%Y-%m-%dT%H}:{reason}"
    context.record(action, of, model=model, version=version, source=source, reason=reason)

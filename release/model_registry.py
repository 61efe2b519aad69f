"""What MLflow says of the release path: the alias champion (the wish), and the tags of a refusal."""

from __future__ import annotations

from registry.tracking import CHAMPION, Tracking, Version
from release.release_file import Release

REJECTED, REFUSED = "rejected", "promotion_refused"
LONGEST_TAG = 4000  # MLflow refuses more than 5000 characters


def champion(tracking: Tracking, name: str) -> Version | None:
    """Return the version that someone wants in production."""
    return next((one for one in tracking.versions(name) if CHAMPION in one.aliases), None)


def of_release(tracking: Tracking, release: Release) -> Version | None:
    """Return the version that a release file names; its number with another run is another version."""
    there = (one for one in tracking.versions(release.model) if one.number == release.version)
    return next((one for one in there if one.run_id == release.run_id), None)


def rejected(tracking: Tracking, name: str) -> dict[int, str]:
    """Return the rejected versions with their reasons."""
    return {one.number: one.tags[REJECTED] for one in tracking.versions(name) if REJECTED in one.tags}


def reject(tracking: Tracking, name: str, number: int, reason: str) -> bool:
    """Tag a version as rejected, and say whether it is; the first reason stays. One that was deleted is left alone."""
    there = next((one for one in tracking.versions(name) if one.number == number), None)
    if there is not None and REJECTED not in there.tags:
        tracking.tag_version(name, number, REJECTED, (reason or "no reason given")[:LONGEST_TAG])
    return there is not None


def refuse(tracking: Tracking, version: Version, reason: str | None) -> None:
    """Tag a version with the reason why it may not go to production; None takes the tag away."""
    if reason is not None:
        if version.tags.get(REFUSED) != reason[:LONGEST_TAG]:
            tracking.tag_version(version.name, version.number, REFUSED, reason[:LONGEST_TAG])
    elif REFUSED in version.tags:
        tracking.untag_version(version.name, version.number, REFUSED)


def move_champion(tracking: Tracking, name: str, number: int | None) -> None:
    """Set the alias champion to a version; None takes it away. Nothing is written where it is so already."""
    there = champion(tracking, name)
    if (there.number if there else None) == number:
        return
    if number is None:
        tracking.delete_alias(name, CHAMPION)
    else:
        tracking.set_alias(name, CHAMPION, number)

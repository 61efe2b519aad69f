"""What is looked at again right before a release moves: a judgement ages, and an image may be gone."""

from __future__ import annotations

from release.bake import baked
from release.context import Context
from release.environments import STAGING
from release.release_file import Release
from slipway.errors import Refused


def still_good(context: Context, release: Release) -> None:
    """See that what was judged when the request was opened still holds at its approval.

    Raises:
        Refused: the image is not in its registry; staging, where it still runs this release, is not healthy; or it
            runs another, and no one saw this one healthy there for its time.
    """
    name, version = release.model, release.version
    image = context.in_registry(release.image, release.digest)
    if not image.passed:
        raise Refused(
            f"the image of {name} version {version} cannot be found",
            expected=f"{release.image} with {release.digest}",
            found=image.reason,
            hint=f"push the image again, or slipway reject {name}@{version} --reason …",
        )
    if context.clone.release(name, STAGING) != release:
        if baked(context, release) is None:  # staging has moved on: what it runs says nothing of this release
            raise Refused(
                f"staging no longer runs {name} version {version}, and it was not seen healthy there for its time",
                expected="a version that staging runs, or one that was judged before staging moved on",
                found="no such entry of the audit record, and no commit that records it",
                hint=f"slipway stage {name}@{version}, and slipway promote {name}@{version} once it is healthy",
            )
        return
    health = context.health(name, STAGING, release.digest)
    if health.seconds is None:
        raise Refused(
            f"{name} version {version} is no longer healthy in staging",
            expected="a healthy rollout of the version that is approved",
            found=health.said,
            hint=f"slipway status {name}, then approve when staging is healthy again",
        )


def can_come_back(context: Context, release: Release, allow_missing: bool) -> str | None:
    """See that the image of a rollback's target is there; return a warning where no one could say.

    Raises:
        Refused: the registry no longer has the image, and no one allowed for that.
    """
    image = context.in_registry(release.image, release.digest)
    if image.passed is False and not allow_missing:
        raise Refused(
            f"the image of {release.model} version {release.version} is no longer in its registry",
            expected=f"{release.image} with {release.digest}",
            found=image.reason,
            hint="name another version by --to VERSION, push the image again, or, where its pods still run, "
            "add --allow-missing-image",
        )
    return None if image.passed else f"the image of version {release.version} was not found: {image.reason}"

"""Whether a release that staging no longer runs had been healthy there for its time: by whom that was looked at then.

Either it was judged, when production was asked for it; or whoever staged the next version looked before, and
their commit reports it.
"""

from __future__ import annotations

from release.context import Context
from release.environments import STAGING
from release.git.commits import PROMOTE
from release.git.manifests import Clone
from release.git.signatures import counts, signature
from release.release_file import Release

TRAILER = "Baked"


def baked(context: Context, release: Release) -> str | None:
    """Say where it stands that `release` was healthy in staging for its time; None where no one saw that.

    Raises:
        Unavailable: the audit record does not answer.
    """
    clone, name = context.clone, release.model
    for entry in context.audit.entries(name):
        if (entry.action, entry.version, entry.target) == (PROMOTE, release.version, release.digest):
            return f"it was healthy in staging for its time when production was asked for it, {entry.when[:16]}"
    for commit in clone.log(clone.path(name, STAGING)):
        if commit.trailers.get(f"Slipway-{TRAILER}") == release.digest and _by_who_may(clone, commit.sha):
            return f"it was healthy in staging for its time until {commit.when[:16]} by commit {commit.sha[:12]}"
    return None


def _by_who_may(clone: Clone, sha: str) -> bool:
    """Where someone listed who may sign, a commit says nothing without one of their signatures."""
    return not clone.remote.lists_signers or counts(clone, signature(clone, sha))


def trailer(context: Context, release: Release | None) -> dict[str, str]:
    """Return the trailer by which a commit that takes `release` out of staging says that it was healthy long enough."""
    if release is None:
        return {}
    health = context.health(release.model, STAGING, release.digest)
    seen = health.seconds is not None and health.seconds >= context.bake_seconds
    return {TRAILER: release.digest} if seen else {}

"""How long an environment has been healthy on a digest: what the rules of promotion ask of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from release.cluster.rollouts import HEALTHY, Rollout


@dataclass(frozen=True)
class Health:
    """How long an environment's rollout has been healthy on a digest, in seconds; None: it is not, or no one knows."""

    seconds: float | None
    said: str


def health(found: Rollout | None, digest: str, where: str, now: datetime) -> Health:
    """Say how long a Rollout has been healthy on `digest`, as the rules of promotion ask it."""
    if found is None:
        return Health(None, f"there is no Rollout {where}")
    seconds = found.healthy_seconds(digest, now)
    if seconds is not None and not found.judged:
        return Health(None, f"the Rollout {where} runs its first release, which no analysis has judged: slipway smoke")
    if seconds is not None:
        return Health(seconds, f"healthy since {found.healthy_since:%Y-%m-%d %H:%M:%S} UTC")
    if found.phase != HEALTHY:
        return Health(None, f"the Rollout {where} is {found.phase} {found.message}".strip())
    return Health(None, f"the Rollout {where} runs {found.active or 'an unnamed image'}, not {digest}")

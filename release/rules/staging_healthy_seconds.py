"""Staging has been healthy on this release for SLIPWAY_BAKE_SECONDS, or had been before it moved on."""

from __future__ import annotations

from dataclasses import dataclass

from registry.verdict import Rule, at_least
from release.cluster.health import Health
from release.environments import STAGING
from release.rules.candidate import PromotionCandidate
from release.rules.rule import PromotionRule

NAME = "staging_healthy_seconds"


@dataclass(frozen=True)
class BakeTime:
    """How long staging has been healthy on the release and has to be, in seconds; `baked` is who saw that before."""

    health: Health
    wanted: float
    baked: str | None = None


def ask(candidate: PromotionCandidate) -> BakeTime:
    """Ask the cluster, unless staging has moved on and the release was seen healthy before."""
    context, release = candidate.context, candidate.release
    if candidate.baked:
        return BakeTime(Health(None, candidate.baked), context.bake_seconds, candidate.baked)
    return BakeTime(context.health(release.model, STAGING, release.digest), context.bake_seconds)


def judge(time: BakeTime) -> Rule:
    """Judge the time; no answer and no number are a refusal."""
    if time.baked:
        return Rule(NAME, True, time.baked)
    return at_least(NAME, time.health.seconds, time.wanted, time.health.said)


RULE = PromotionRule(NAME, ask, judge, may_pass=lambda _: True)

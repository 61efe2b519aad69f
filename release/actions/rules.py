"""Whether a version may go to production: the rules, and nothing that has to be asked for.

Fails closed: what nobody could say counts as no.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.remote import NOTHING, Held
from registry.verdict import Rule, Verdict, at_least
from release.cluster.health import Health
from release.release_file import Release


@dataclass(frozen=True)
class Facts:
    """What was found out about a candidate; None of `verdict`, `packaged`, `in_registry` and `in_store` where no
    answer came.

    `baked` says where it stands that the candidate was healthy in staging for its time before staging moved on.
    """

    candidate: Release
    verdict: str | None
    rejected: str | None
    staging: Release | None
    production: Release | None
    health: Health
    in_registry: bool | None
    registry_said: str
    in_store: bool | None
    store_said: str
    other_request: str | None
    rollback: bool
    bake_seconds: float
    verdict_said: str = "the gate said nothing"
    data: Held = NOTHING
    baked: str | None = None
    remade: bool = False
    packaged: bool | None = False
    packaged_said: str = "nobody stated which image was built of it"


def judge(facts: Facts) -> Verdict:
    """Judge a candidate for production; every rule has its own reason."""
    version = facts.candidate.version
    registry = facts.in_registry is True
    before = facts.production.version if facts.production else 0
    newer = version >= before or facts.rollback or facts.remade
    return Verdict(
        (
            Rule("verdict", facts.verdict == "passed", facts.verdict_said),
            Rule("image_as_packaged", facts.packaged is True, facts.packaged_said),
            Rule("not_rejected", facts.rejected is None, facts.rejected or "never rejected"),
            _staged(facts),
            _healthy(facts),
            Rule("image_in_registry", registry, facts.registry_said),
            Rule("model_in_store", facts.in_store is True, facts.store_said),
            Rule("data_in_remote", facts.data.passed, facts.data.reason),
            Rule("no_other_request", facts.other_request is None, facts.other_request or "no other request is open"),
            Rule("not_older", newer, _order(version, before, facts.rollback, facts.remade)),
        )
    )


def _staged(facts: Facts) -> Rule:
    if facts.staging is None:
        return Rule("staged", False, "nothing is released in staging")
    found = f"staging's release file is version {facts.staging.version}, {facts.staging.digest}"
    if facts.staging != facts.candidate and facts.baked:
        return Rule("staged", True, f"{found}; {facts.baked}")
    return Rule("staged", facts.staging == facts.candidate, found)


def _healthy(facts: Facts) -> Rule:
    if facts.staging != facts.candidate and facts.baked:
        return Rule("staging_healthy_seconds", True, facts.baked)
    return at_least("staging_healthy_seconds", facts.health.seconds, facts.bake_seconds, facts.health.said)


def _order(version: int, before: int, rollback: bool, remade: bool) -> str:
    if remade:
        return f"version {version}; production's {before} is of a run that MLflow has no version of"
    if version >= before:
        return f"version {version}, production has {before or 'none'}"
    return f"version {version} is older than production's {before}" + (", asked for by --rollback" if rollback else "")

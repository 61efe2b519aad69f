"""The version is not older than production's, unless a rollback is asked for or production's is not in MLflow."""

from __future__ import annotations

from dataclasses import dataclass

from registry.verdict import Rule
from release.model_registry import of_release
from release.rules.candidate import PromotionCandidate
from release.rules.rule import PromotionRule

NAME = "not_older"


@dataclass(frozen=True)
class VersionOrder:
    """The version's number and production's, 0 where it has none.

    `remade` means that MLflow has no version of production's run: the model was deleted and counts from 1 again.
    """

    version: int
    production: int
    rollback: bool = False
    remade: bool = False


def ask(candidate: PromotionCandidate) -> VersionOrder:
    """Ask Git what production runs, and MLflow whether it knows that version."""
    production = candidate.production
    remade = production is not None and of_release(candidate.tracking, production) is None
    return VersionOrder(candidate.release.version, production.version if production else 0, candidate.rollback, remade)


def judge(order: VersionOrder) -> Rule:
    """Judge the order of the two."""
    version, before = order.version, order.production
    if order.remade:
        return Rule(NAME, True, f"version {version}; production's {before} is of a run that MLflow has no version of")
    if version >= before:
        return Rule(NAME, True, f"version {version}, production has {before or 'none'}")
    reason = f"version {version} is older than production's {before}"
    return Rule(NAME, order.rollback, reason + (", asked for by --rollback" if order.rollback else ""))


RULE = PromotionRule(NAME, ask, judge, may_pass=lambda _: False)

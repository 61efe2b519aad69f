"""The policy of promotion: which rules a candidate has to pass, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from registry.verdict import Rule, Verdict
from release.rules import (
    data_in_remote,
    image_as_packaged,
    image_in_registry,
    model_in_store,
    no_other_request,
    not_older,
    not_rejected,
    staged,
    staging_healthy_seconds,
    verdict,
)
from release.rules.candidate import PromotionCandidate
from release.rules.rule import PromotionRule

POLICY: tuple[PromotionRule[Any], ...] = (
    verdict.RULE,
    image_as_packaged.RULE,
    not_rejected.RULE,
    staged.RULE,
    staging_healthy_seconds.RULE,
    image_in_registry.RULE,
    model_in_store.RULE,
    data_in_remote.RULE,
    no_other_request.RULE,
    not_older.RULE,
)


@dataclass(frozen=True)
class Judgement:
    """The verdict over a candidate; `lasting` are the refusals that time alone does not turn."""

    verdict: Verdict
    lasting: tuple[Rule, ...]

    @property
    def may_pass(self) -> bool:
        """Return whether nothing but time keeps the candidate from production."""
        return not self.verdict.passed and not self.lasting


def judge(candidate: PromotionCandidate, policy: tuple[PromotionRule[Any], ...] = POLICY) -> Judgement:
    """Judge a candidate for production; every rule is asked and has its own reason.

    Raises:
        BadInput: the model has no manifests for staging.
        Unavailable: Git, MLflow, the forge or the audit record does not answer.
    """
    rules: list[Rule] = []
    lasting: list[Rule] = []
    for rule in policy:
        fact = rule.ask(candidate)
        outcome = rule.judge(fact)
        rules.append(outcome)
        if outcome.passed is False and not rule.may_pass(fact):
            lasting.append(outcome)
    return Judgement(Verdict(tuple(rules)), tuple(lasting))


def shown(verdict: Verdict) -> list[Rule]:
    """Return the outcomes whose reason is part of the answer although they passed: who signed, who holds the data."""
    names = {rule.name for rule in POLICY if rule.shown}
    return [outcome for outcome in verdict.rules if outcome.name in names]

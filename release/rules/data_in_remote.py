"""The DVC remote holds the data that the version was made of; without a shared remote the rule does not apply."""

from __future__ import annotations

from registry.remote import Held, State
from registry.verdict import Rule
from release.rules.candidate import PromotionCandidate
from release.rules.rule import PromotionRule, judged

NAME = "data_in_remote"


def ask(candidate: PromotionCandidate) -> Held:
    """Ask the DVC remote for each digest that the version lists."""
    return candidate.context.in_remote(candidate.version, candidate.opinion)


def judge(held: Held) -> Rule:
    """Judge what is known of the data."""
    return Rule(NAME, None, held.reason) if held.answer is None else judged(NAME, held.answer)


RULE = PromotionRule(NAME, ask, judge, may_pass=lambda held: held.state is State.UNANSWERED, shown=True)

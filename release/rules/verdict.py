"""The gate passed the version, by the version's own signed files."""

from __future__ import annotations

from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the version's verdict.json, which names who signed it."""
    return candidate.opinion.answer


RULE = rule_of_answer("verdict", ask, shown=True)

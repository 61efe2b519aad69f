"""The artifact store has the version's files, each with the digest that was registered."""

from __future__ import annotations

from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the artifact store."""
    return candidate.context.in_store(candidate.tracking, candidate.version)


RULE = rule_of_answer("model_in_store", ask)

"""The image registry has the image, by its digest."""

from __future__ import annotations

from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the image registry."""
    return candidate.context.in_registry(candidate.release.image, candidate.release.digest)


RULE = rule_of_answer("image_in_registry", ask)

"""The image is the one that was packaged, by the version's own signed files."""

from __future__ import annotations

from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the version's image.json, which names who signed it, and hold the version's tags against it."""
    return candidate.context.packaged(candidate.tracking, candidate.version).answer


RULE = rule_of_answer("image_as_packaged", ask, shown=True)

"""Staging runs exactly this release, or it was healthy there for its time before staging moved on."""

from __future__ import annotations

from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask Git for staging's release file, and Git and the audit record for the time before."""
    staging = candidate.staging
    if staging is None:
        return Answer(False, "nothing is released in staging")
    reason = f"staging's release file is version {staging.version}, {staging.digest}"
    if candidate.baked:
        return Answer(True, f"{reason}; {candidate.baked}")
    return Answer(staging == candidate.release, reason)


RULE = rule_of_answer("staged", ask)

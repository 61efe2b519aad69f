"""No request for a newer version is open; one for an older version makes room for this one."""

from __future__ import annotations

from release.forges.approvable import approvable
from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the forge for requests that can still be approved."""
    context, release = candidate.context, candidate.release
    requests = approvable(context.forge, context.clone, release.model)
    newer = next((request for request in requests if request.version > release.version), None)
    if newer is None:
        return Answer(True, "no other request is open")
    return Answer(False, f"{newer.url or newer.branch} is open")


RULE = rule_of_answer("no_other_request", ask)

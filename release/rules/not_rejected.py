"""The version was not rejected, in MLflow or by a rollback in Git."""

from __future__ import annotations

from release.environments import PRODUCTION
from release.git.history import history, rejected_run
from release.model_registry import REJECTED
from release.rules.candidate import PromotionCandidate
from release.rules.rule import rule_of_answer
from slipway.answer import Answer


def ask(candidate: PromotionCandidate) -> Answer:
    """Ask the version's tag, and Git for a rollback from this very version."""
    version = candidate.version
    past = history(candidate.context.clone, version.name, PRODUCTION)
    rolled_back = rejected_run(past, version.number, version.run_id)
    why = version.tags.get(REJECTED) or ("production was rolled back from it" if rolled_back else None)
    return Answer(why is None, why or "never rejected")


RULE = rule_of_answer("not_rejected", ask)

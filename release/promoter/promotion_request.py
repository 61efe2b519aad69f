"""The alias champion in MLflow asks for production: a request is opened, waits, or the alias is put back."""

from __future__ import annotations

from registry.tracking import CHAMPION, Tracking, Version
from release import model_registry
from release.actions.promote import promote
from release.context import Context
from release.environments import PRODUCTION
from release.forges.forge import PromotionRequest
from release.git.commits import PROMOTE
from release.promoter.outcome import PassOutcome
from release.promoter.put_back import put_back, record
from release.release_file import Release, of_version
from release.rules.candidate import PromotionCandidate
from release.rules.policy import judge
from slipway.errors import BadInput, Refused


def request_promotion(context: Context, tracking: Tracking, model: str) -> list[PassOutcome]:
    """Bring the version that has the alias champion on its way to production, or put the alias back."""
    runs = context.clone.release(model, PRODUCTION)
    requests = context.forge.open_requests(model)
    champion = model_registry.champion(tracking, model)
    if champion is None:
        return _withdrawn(context, tracking, model, runs, requests)
    if runs is not None and champion.number == runs.version:
        return []
    open_one = next((one for one in requests if one.version == champion.number), None)
    if open_one is not None and context.audit.known([f"{PROMOTE}:{open_one.tip}"]):  # judged when it was asked for
        return [PassOutcome("waiting", champion.number, f"for the approval of {open_one.url or open_one.branch}")]
    try:
        judgement = judge(PromotionCandidate(context, tracking, champion, of_version(champion)))
    except BadInput as error:
        return put_back(context, tracking, champion, runs, requests, f"{error.thing}: {error.expected or ''}")
    if judgement.verdict.passed:
        return _open(context, model, champion)
    reasons = "; ".join(f"{rule.name}: {rule.reason}" for rule in judgement.verdict.failures)
    if judgement.may_pass:
        return [PassOutcome("waiting", champion.number, reasons)]
    return put_back(context, tracking, champion, runs, requests, reasons)


def _open(context: Context, model: str, champion: Version) -> list[PassOutcome]:
    try:
        done = promote(context, model, str(champion.number), reason="the alias champion was moved in MLflow")
    except Refused as error:
        # Another reconciler was faster, or a fact has changed since it was judged: the next pass sees which.
        return [PassOutcome("waiting", champion.number, f"{error.thing}: {error.found or ''}".rstrip(": "))]
    if done.request is None:
        return []
    where = done.request.url or done.request.branch
    kind = "opened" if done.created else "waiting"
    return [PassOutcome(kind, champion.number, f"the request {where}")]


def _withdrawn(
    context: Context, tracking: Tracking, model: str, runs: Release | None, requests: list[PromotionRequest]
) -> list[PassOutcome]:
    known = {one.number for one in tracking.versions(model)}
    if runs is None or requests or runs.version not in known:
        return []
    if model_registry.champion(tracking, model) is None:
        tracking.set_alias(model, CHAMPION, runs.version)
    record(context, model, runs.version, "champion-restored", runs.digest, "there was no champion; production runs it")
    return [PassOutcome("put back", runs.version, "there was no champion; production runs this version")]

"""The alias champion as a wish: a request for production, a while to wait, or the alias put back."""

from __future__ import annotations

from registry.remote import State
from registry.tracking import CHAMPION, Tracking, Version
from registry.verdict import Rule
from release.actions import wishes
from release.actions.context import Context
from release.actions.promote import facts, promote
from release.actions.rules import Facts, judge
from release.forges.forge import Request
from release.git.commits import PRODUCTION, PROMOTE
from release.promoter.outcome import Outcome
from release.promoter.put_back import put_back, record
from release.release_file import Release, of_version
from slipway.errors import BadInput, Refused

# What time can change. Everything else is a no for as long as the version is what it is.
PASSING = "staging_healthy_seconds"


def wish(context: Context, tracking: Tracking, model: str) -> list[Outcome]:
    """Bring the version that has the alias champion on its way to production, or put the alias back."""
    runs = context.clone.release(model, PRODUCTION)
    requests = context.forge.open_requests(model)
    champion = wishes.champion(tracking, model)
    if champion is None:
        return _withdrawn(context, tracking, model, runs, requests)
    if runs is not None and champion.number == runs.version:
        return []
    open_one = next((one for one in requests if one.version == champion.number), None)
    if open_one is not None and context.audit.known([f"{PROMOTE}:{open_one.tip}"]):  # judged when it was asked for
        return [Outcome("waiting", champion.number, f"for the approval of {open_one.url or open_one.branch}")]
    try:
        found = facts(context, tracking, champion, of_version(champion), rollback=False)
    except BadInput as error:
        return put_back(context, tracking, champion, runs, requests, f"{error.thing}: {error.expected or ''}")
    failures = judge(found).failures
    reasons = "; ".join(f"{rule.name}: {rule.reason}" for rule in failures)
    if not failures:
        return _open(context, model, champion)
    if all(_may_pass(rule, found) for rule in failures):
        return [Outcome("waiting", champion.number, reasons)]
    return put_back(context, tracking, champion, runs, requests, reasons)


def _may_pass(rule: Rule, found: Facts) -> bool:
    unanswered = {
        "verdict": found.verdict is None,
        "image_as_packaged": found.packaged is None,
        "image_in_registry": found.in_registry is None,
        "model_in_store": found.in_store is None,
        "data_in_remote": found.data.state is State.UNANSWERED,
    }
    return rule.name == PASSING or unanswered.get(rule.name, False)


def _open(context: Context, model: str, champion: Version) -> list[Outcome]:
    try:
        done = promote(context, model, str(champion.number), reason="the alias champion was moved in MLflow")
    except Refused as error:
        # Another reconciler was faster, or a fact has changed since it was judged: the next pass sees which.
        return [Outcome("waiting", champion.number, f"{error.thing}: {error.found or ''}".rstrip(": "))]
    if done.request is None:
        return []
    where = done.request.url or done.request.branch
    kind = "opened" if done.created else "waiting"
    return [Outcome(kind, champion.number, f"the request {where}")]


def _withdrawn(
    context: Context, tracking: Tracking, model: str, runs: Release | None, requests: list[Request]
) -> list[Outcome]:
    known = {one.number for one in tracking.versions(model)}
    if runs is None or requests or runs.version not in known:
        return []
    if wishes.champion(tracking, model) is None:
        tracking.set_alias(model, CHAMPION, runs.version)
    record(context, model, runs.version, "champion-restored", runs.digest, "there was no champion; production runs it")
    return [Outcome("put back", runs.version, "there was no champion; production runs this version")]

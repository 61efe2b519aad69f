"""The alias champion as a wish: a request for production, a while to wait, or the alias put back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from registry.release.acts import wishes
from registry.release.acts.context import Context
from registry.release.acts.promote import facts, promote
from registry.release.acts.rules import Facts, judge
from registry.release.forge.forge import Request
from registry.release.repository.commits import PRODUCTION, PROMOTE
from registry.release.repository.releasefile import Release, of_version
from registry.release.repository.requests import commit_of, stale
from registry.remote import State
from registry.tracking import CHAMPION, Tracking, Version
from registry.verdict import Rule
from slipway.errors import BadInput, Refused

# What time can change. Everything else is a no for as long as the version is what it is.
PASSING = "staging_healthy_seconds"


@dataclass(frozen=True)
class Outcome:
    """One thing that a pass found: opened, waiting, put back, reverted, …; `version` where it is about one."""

    kind: str
    version: int | None
    said: str


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
    if open_one is not None and stale(context.clone, model, open_one.tip) is None:
        if wishes.REJECTED not in champion.tags:
            return _asked_for(context, model, champion, open_one)
        context.forge.close(open_one, champion.tags[wishes.REJECTED])
    try:
        found = facts(context, tracking, champion, of_version(champion), rollback=False)
    except BadInput as error:
        return _put_back(context, tracking, champion, runs, requests, f"{error.thing}: {error.expected or ''}")
    failures = judge(found).failures
    reasons = "; ".join(f"{rule.name}: {rule.reason}" for rule in failures)
    if not failures:
        return _open(context, model, champion)
    if all(_may_pass(rule, found) for rule in failures):
        return [Outcome("waiting", champion.number, reasons)]
    return _put_back(context, tracking, champion, runs, requests, reasons)


def _may_pass(rule: Rule, found: Facts) -> bool:
    unanswered = {
        "verdict": found.verdict is None,
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


def _asked_for(context: Context, model: str, champion: Version, request: Request) -> list[Outcome]:
    release = context.clone.release(model, PRODUCTION, request.tip)
    if release is not None:  # one that was killed between its push and its record
        asked = commit_of(context.clone, request.tip)
        context.record_release(PROMOTE, release, request.tip, PRODUCTION, asked.reason, str(asked.author))
    return [Outcome("waiting", champion.number, f"for the approval of {request.url or request.branch}")]


def _withdrawn(
    context: Context, tracking: Tracking, model: str, runs: Release | None, requests: list[Request]
) -> list[Outcome]:
    known = {one.number for one in tracking.versions(model)}
    if runs is None or requests or runs.version not in known:
        return []
    if wishes.champion(tracking, model) is None:
        tracking.set_alias(model, CHAMPION, runs.version)
    _record(context, model, runs.version, "champion-restored", runs.digest, "nobody was champion; production runs it")
    return [Outcome("put back", runs.version, "nobody was champion; production runs this version")]


def _put_back(
    context: Context,
    tracking: Tracking,
    champion: Version,
    runs: Release | None,
    requests: list[Request],
    reasons: str,
) -> list[Outcome]:
    model = champion.name
    others = [one.version for one in requests if one.version != champion.number]
    known = {one.number for one in tracking.versions(model)}
    wanted = others[0] if others else (runs.version if runs else None)
    to = wanted if wanted in known else None
    wishes.refuse(tracking, champion, reasons)
    _record(context, model, champion.number, "put-back", champion.tags.get("image_digest"), reasons)
    now = wishes.champion(tracking, model)  # last: until it is back, the next pass comes here again
    if now is not None and now.number == champion.number:
        wishes.move_champion(tracking, model, to)
    back = f"champion is back at version {to}" if to else "nobody is champion"
    return [Outcome("put back", champion.number, f"{reasons}; {back}")]


def _record(context: Context, model: str, version: int, action: str, source: str | None, reason: str) -> None:
    # By the hour: a pass that was cut off after this is completed by the next without a second entry,
    # and the same wish on another day is another entry.
    of = f"{model}:{version}:{datetime.now(UTC):%Y-%m-%dT%H}:{reason}"
    context.record(action, of, model=model, version=version, source=source, reason=reason)

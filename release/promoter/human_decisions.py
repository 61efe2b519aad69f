"""What people answered to a request in their own place: they closed it on its forge, or took its merge back in Git.

Both are a no that holds until someone asks again, by moving the alias champion or by `slipway promote`.
"""

from __future__ import annotations

from registry.tracking import Tracking, Version
from release import model_registry
from release.actions.close_request import CLOSE
from release.audit.audit import AuditEntry
from release.context import Context
from release.environments import PRODUCTION
from release.forges.forge import Closed, PromotionRequest
from release.git.commits import DECLINE, HOLD, PROMOTE
from release.git.history import EnvironmentStep, history, taken_back
from release.promoter.outcome import PassOutcome
from release.promoter.put_back import move_back
from release.release_file import Release

LOOKED_AT = 20  # steps of production of one pass and model
NOBODY = "nobody that the forge names"


def declined(context: Context, tracking: Tracking, model: str, requests: list[PromotionRequest]) -> list[PassOutcome]:
    """Take the closing of a request by a person as a no: record it, and put the alias back where it was asked by it.

    A request that is on record as asked for, is not open, is not merged and was not closed by Slipway, which records
    that before it closes any, was closed by a person.
    """
    champion = model_registry.champion(tracking, model)
    asked = [one for one in context.audit.entries(model) if one.action == PROMOTE]
    newest = {one.version: one for one in asked}
    wanted = {one.key: one for one in [*asked[-1:], newest.get(champion.number if champion else 0)] if one}
    found = []
    for entry in wanted.values():
        closed = _closed(context, tracking, model, entry, requests)
        if closed is not None:
            found.append(_decline(context, tracking, model, entry, closed, champion, requests))
    return found


def _closed(
    context: Context, tracking: Tracking, model: str, entry: AuditEntry, requests: list[PromotionRequest]
) -> Closed | None:
    tip, branch = _tip(entry), f"release/{model}/{entry.version}"
    runs = context.clone.release(model, PRODUCTION)
    if entry.version in {one.version for one in requests} or entry.version in model_registry.rejected(tracking, model):
        return None
    if runs is not None and (runs.version, runs.digest) == (entry.version, entry.target):
        return None
    if context.audit.known([f"{CLOSE}:{tip}", f"{DECLINE}:{tip}"]):
        return None
    closed = context.forge.closed(branch, tip)
    if closed is None:
        return None
    context.clone.fetch()  # a merge deletes the branch as well: what is gone may be in since
    return None if context.clone.contains(tip) else closed


def _decline(
    context: Context,
    tracking: Tracking,
    model: str,
    entry: AuditEntry,
    closed: Closed,
    champion: Version | None,
    requests: list[PromotionRequest],
) -> PassOutcome:
    tip, branch = _tip(entry), f"release/{model}/{entry.version}"
    said = f"{closed.how} by {closed.by or NOBODY}"
    reason = f"{said}; move champion to version {entry.version} again to ask again"
    if champion is not None and champion.number == entry.version:
        back = move_back(tracking, champion, context.clone.release(model, PRODUCTION), requests, reason)
        said = f"{said}; {back}"
    context.forge.close(PromotionRequest(model, entry.version, branch, tip, ""), said)  # a branch that was left
    context.record(
        DECLINE,
        tip,
        model=model,
        version=entry.version,
        source=entry.target,
        reason=said,
        actor=closed.by or NOBODY,
        happened=closed.at,
    )
    return PassOutcome("declined", entry.version, said)


def held(context: Context, tracking: Tracking, model: str, requests: list[PromotionRequest]) -> list[PassOutcome]:
    """Hold what was taken out of production by Git alone, and report it; a step back that is on record was answered."""
    steps = taken_back(history(context.clone, model, PRODUCTION, LOOKED_AT))
    known = context.audit.known([f"{HOLD}:{step.commit.sha}" for step, _ in steps])
    found = []
    for step, gone in reversed(steps):
        if f"{HOLD}:{step.commit.sha}" not in known:
            found.append(_hold(context, tracking, model, step, gone, requests))
    return found


def _hold(
    context: Context,
    tracking: Tracking,
    model: str,
    step: EnvironmentStep,
    gone: Release,
    requests: list[PromotionRequest],
) -> PassOutcome:
    runs, champion = context.clone.release(model, PRODUCTION), model_registry.champion(tracking, model)
    said = f"{step.commit.author} took it out of production in Git, by commit {step.commit.sha[:12]}"
    reason = f"{said}; it is on hold until champion is moved to version {gone.version} again"
    again = [one.version for one in requests] + ([runs.version] if runs else [])  # asked for since, or approved
    if champion is not None and champion.number == gone.version and gone.version not in again:
        reason = f"{reason}; {move_back(tracking, champion, runs, requests, reason)}"
    context.record(
        HOLD,
        step.commit.sha,
        model=model,
        version=gone.version,
        source=gone.digest,
        target=step.release.digest if step.release else None,
        reason=said,
        actor=str(step.commit.author),
        happened=step.commit.when,
    )
    return PassOutcome("held", gone.version, reason)


def _tip(entry: AuditEntry) -> str:
    return entry.key.partition(":")[2]

"""`slipway rollback`: back to what the environment ran before, by one commit, now.

Goes to the branch without a request: what it brings back was approved when it
ran, and an emergency has no time for a review. MLflow and the audit record
follow; when they cannot, production is back nevertheless, and the same command
completes the rest without a second commit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from registry.tracking import Tracking
from release import model_registry
from release.actions.rollback_target import rollback_target
from release.actions.second_look import can_come_back
from release.actions.store_identity import same_stores
from release.context import Context
from release.environments import PRODUCTION, needs_approval
from release.git.commits import REVERT, ROLLBACK
from release.git.history import EnvironmentStep, history
from release.git.manifests import Clone
from release.git.push import BranchStep, step
from release.git.signers import unsound
from release.release_file import Release, render
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable


@dataclass(frozen=True)
class RolledBack:
    """What the environment runs again; `commit` is None where it did so already.

    `rejected` is the version that was tagged, `untagged` the one that MLflow does not have, so that nothing was;
    `warning` is what no one could check.
    """

    release: Release
    rejected: int | None
    commit: str | None
    untagged: int | None = None
    warning: str | None = None


@dataclass(frozen=True)
class _Way:
    """A step back in an environment: to `target`, and away for good from version `gone`, where there is one."""

    environment: str
    action: str
    reason: str
    target: Release
    gone: int | None


def rollback(
    context: Context,
    name: str,
    environment: str = PRODUCTION,
    reason: str = "",
    to: int | None = None,
    action: str = ROLLBACK,
    allow_missing: bool = False,
) -> RolledBack:
    """Bring back the release before, or version `to`; a rejected version never comes back.

    A second call finds the rollback done. `action` is REVERT where a failed analysis asks, not a person: what it
    goes back to never stopped running, so its image is not asked for.

    Raises:
        BadInput: there is nothing to go back to, or the environment never ran version `to`.
        Refused: version `to` was rejected, or `history --verify` would name the way back to it; its image is gone
            (unless `allow_missing`), or the environment moved.
        Unavailable: MLflow or the audit record did not follow; the environment is back nevertheless.
    """
    entries = history(context.clone, name, environment)
    same_stores(context, name, urgent=True)
    current, now = _current(entries, name, environment)
    if current.commit.action in (ROLLBACK, REVERT) if to is None else now.version == to:
        why = current.commit.reason or reason
        last = _Way(environment, current.commit.action or action, why, now, current.rejects)
        return _followed(context, last, current.commit.sha, None)
    # Without a list of signers there is no one whose approval could be told from another's.
    judges = needs_approval(environment) and context.clone.remote.lists_signers
    target = rollback_target(context, name, entries, to, unsound(context.clone, name) if judges else {})
    warning = can_come_back(context, target, allow_missing) if action == ROLLBACK else None
    way = _Way(environment, action, reason, target, now.version if environment == PRODUCTION else None)
    commit = _push(context, way, now)
    return replace(_followed(context, way, commit or "", commit), warning=warning)


def _current(entries: list[EnvironmentStep], name: str, environment: str) -> tuple[EnvironmentStep, Release]:
    current = next(iter(entries), None)
    if current is None or current.release is None:
        raise BadInput(
            f"{name} has no release in {environment}",
            expected="one to go back from",
            hint=f"slipway history {name} {environment}",
        )
    return current, current.release


def _push(context: Context, way: _Way, now: Release) -> str | None:
    name, environment = now.model, way.environment
    path, subject = context.clone.path(name, environment), f"Roll {name} in {environment} back to {way.target.version}"
    more = {"Rejects": str(way.gone)} if way.gone is not None else {}

    def make(clone: Clone) -> BranchStep | None:
        if clone.release(name, environment) != now:
            raise Refused(
                f"{name} in {environment} moved meanwhile",
                expected=f"version {now.version}",
                hint=f"slipway history {name} {environment}, then decide again",
            )
        text = context.message(subject, way.action, way.target, environment, way.reason, more, urgent=True)
        return BranchStep({path: render(way.target)}, text)

    return step(context.clone, make)


def _followed(context: Context, way: _Way, sha: str, commit: str | None) -> RolledBack:
    """Do what comes after the commit, each part whether or not the others worked."""
    tagged, failed = False, []
    try:
        tagged = _mark(context, way)
    except SlipwayError as error:
        failed.append(str(error))
    try:
        context.record_release(way.action, way.target, sha, way.environment, way.reason)
    except SlipwayError as error:
        failed.append(str(error))
    if failed:
        name, version = way.target.model, way.target.version
        raise Unavailable(
            f"{name} in {way.environment} is back at version {version}, but not everything followed",
            expected="the version rejected and the alias champion moved in MLflow, and an audit record",
            found="; ".join(failed),
            hint="run the same command again; it makes no second commit",
        )
    return RolledBack(way.target, way.gone if tagged else None, commit, None if tagged else way.gone)


def _mark(context: Context, way: _Way) -> bool:
    """Reject the version in MLflow and move the alias champion away from it; say whether the version was tagged."""
    gone, model = way.gone, way.target.model
    if gone is None:
        return False
    tracking = context.open_tracking()
    if not _is_there(context, tracking, model, way.environment, gone):
        return False
    tagged = model_registry.reject(tracking, model, gone, way.reason or f"{way.environment} was rolled back from it")
    champion = model_registry.champion(tracking, model)
    if champion is not None and champion.number == gone:
        model_registry.move_champion(tracking, model, way.target.version)
    return tagged


def _is_there(context: Context, tracking: Tracking, model: str, environment: str, number: int) -> bool:
    """Say whether MLflow's version of this number is the one that Git released, not one of a model made again."""
    ran = (one.release for one in history(context.clone, model, environment) if one.release)
    release = next((one for one in ran if one.version == number), None)
    there = [one for one in tracking.versions(model) if one.number == number]
    return release is None or not there or there[0].run_id == release.run_id

"""`slipway rollback`: back to what the environment ran before, by one commit, now.

Goes to the branch without a request: what it brings back was approved when it
ran, and an emergency has no time for a review. MLflow and the audit record
follow; when they cannot, production is back all the same, and the same command
completes the rest without a second commit.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.tracking import Tracking
from release.actions import wishes
from release.actions.context import Context
from release.actions.same import same_stores
from release.actions.second_look import can_come_back
from release.git.commits import PRODUCTION, REVERT, ROLLBACK
from release.git.history import Entry, history, rejected
from release.git.manifests import Clone
from release.git.push import Step, step
from release.git.signers import unsound
from release.release_file import Release, render
from slipway.errors import BadInput, Refused, SlipwayError, Unavailable


@dataclass(frozen=True)
class RolledBack:
    """What the environment runs again; `commit` is None where it did so already.

    `rejected` is the version that was tagged, `untagged` the one that MLflow does not have, so that nothing was;
    `warning` is what nobody could check.
    """

    release: Release
    rejected: int | None
    commit: str | None
    untagged: int | None = None
    warning: str | None = None


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
        Unavailable: MLflow or the audit record did not follow; the environment is back all the same.
    """
    entries = history(context.clone, name, environment)
    same_stores(context, name, urgent=True)
    current = entries[0] if entries else None
    if current is None or current.release is None:
        raise BadInput(
            f"{name} has no release in {environment}",
            expected="one to go back from",
            hint=f"slipway history {name} {environment}",
        )
    now = current.release
    done = current.commit.action in (ROLLBACK, REVERT) if to is None else now.version == to
    if done:
        last, why = current.commit, current.commit.reason or reason
        tagged = _follow(context, now, current.rejects, last.sha, environment, last.action or action, why)
        return _told(now, current.rejects, tagged, None)
    # Without a list of signers there is nobody whose approval could be told from another's.
    judges = environment == PRODUCTION and context.clone.remote.lists_signers
    target = _target(context, name, entries, now, to, unsound(context.clone, name) if judges else {})
    warning = can_come_back(context, target, allow_missing) if action == ROLLBACK else None
    more = {"Rejects": str(now.version)} if environment == PRODUCTION else {}
    path, subject = context.clone.path(name, environment), f"Roll {name} in {environment} back to {target.version}"

    def make(clone: Clone) -> Step | None:
        if clone.release(name, environment) != now:
            raise Refused(
                f"{name} in {environment} moved meanwhile",
                expected=f"version {now.version}",
                hint=f"slipway history {name} {environment}, then decide again",
            )
        said = context.message(subject, action, target, environment, reason, more, urgent=True)
        return Step({path: render(target)}, said)

    commit = step(context.clone, make)
    number = now.version if more else None
    tagged = _follow(context, target, number, commit or "", environment, action, reason)
    return _told(target, number, tagged, commit, warning)


def _told(
    release: Release, gone: int | None, tagged: bool, commit: str | None, warning: str | None = None
) -> RolledBack:
    return RolledBack(release, gone if tagged else None, commit, None if tagged else gone, warning)


def _target(
    context: Context, name: str, entries: list[Entry], now: Release, to: int | None, wrong: dict[str, list[str]]
) -> Release:
    gone = dict.fromkeys(rejected(entries), "production was rolled back from it")
    try:
        gone |= wishes.rejected(context.open_tracking(), name)
    except Unavailable as error:
        context.say(f"{error.thing}: going by Git alone")
    past = [(one.commit.sha, one.release) for one in entries[1:] if one.release and one.release.version != now.version]
    ran = [one for sha, one in past if sha not in wrong]
    if to is None:
        found = next((one for one in ran if one.version not in gone), None)
    else:
        found = next((one for one in ran if one.version == to), None)
        if found and to in gone:
            raise Refused(
                f"{name} version {to} was rejected",
                found=gone[to],
                hint=f"choose another version with --to: slipway history {name}",
            )
    why = next((wrong[sha] for sha, one in past if sha in wrong and to in (None, one.version)), None)
    if found is None and why is not None:
        raise Refused(
            f"no release that production ran of {name} before may come back",
            expected="one that was approved, as slipway history --verify judges it",
            found="; ".join(why),
            hint=f"slipway history {name} --verify, then promote a version whose request another person approves",
        )
    if found is None:
        known = ", ".join(sorted({str(one.version) for one in ran if one.version not in gone})) or "none"
        wanted = f"version {to}" if to else "an earlier release"
        raise BadInput(
            f"{name} never ran {wanted} that could come back",
            expected=f"one of {known}",
            hint=f"slipway history {name}",
        )
    return found


def _is_there(context: Context, tracking: Tracking, model: str, environment: str, number: int) -> bool:
    """Say whether MLflow's version of this number is the one that Git released, not one of a model made again."""
    ran = (one.release for one in history(context.clone, model, environment) if one.release)
    release = next((one for one in ran if one.version == number), None)
    there = [one for one in tracking.versions(model) if one.number == number]
    return release is None or not there or there[0].run_id == release.run_id


def _follow(
    context: Context, target: Release, gone: int | None, commit: str, environment: str, action: str, reason: str
) -> bool:
    """Do what comes after the commit, each part whether or not the others worked; say whether a version was tagged."""
    tagged = False

    def marks() -> None:
        nonlocal tagged
        if gone is None:
            return
        tracking = context.open_tracking()
        if not _is_there(context, tracking, target.model, environment, gone):
            return
        tagged = wishes.reject(tracking, target.model, gone, reason or f"{environment} was rolled back from it")
        there = wishes.champion(tracking, target.model)
        if there is not None and there.number == gone:
            wishes.move_champion(tracking, target.model, target.version)

    def record() -> None:
        context.record_release(action, target, commit, environment, reason)

    failed = []
    for part in (marks, record):
        try:
            part()
        except SlipwayError as error:
            failed.append(str(error))
    if failed:
        raise Unavailable(
            f"{target.model} in {environment} is back at version {target.version}, but not everything followed",
            expected="the version rejected and the alias champion moved in MLflow, and an audit record",
            found="; ".join(failed),
            hint="run the same command again; it makes no second commit",
        )
    return tagged

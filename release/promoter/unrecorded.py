"""What was released and is not on record: merged on a forge, or cut off after its push."""

from __future__ import annotations

from datetime import datetime, timedelta

from release.context import Context
from release.environments import ENVIRONMENTS, needs_approval
from release.git.commits import APPROVE, OWN, PROMOTE
from release.git.history import EnvironmentStep, history, taken_back
from release.promoter.outcome import PassOutcome

LOOKED_AT = 20  # releases of one pass, model and environment that are still looked for in the audit record
JUST_BEFORE = timedelta(microseconds=1)


def record_late(context: Context, model: str) -> list[PassOutcome]:
    """Record each release that the record lacks, oldest first, as having happened when its commit was made."""
    found = []
    for each in ENVIRONMENTS:
        past = history(context.clone, model, each, LOOKED_AT)
        told = {key: one for one in past if one.release and (key := _record_key(one, each, past))}
        known = {one.key: one.when for one in context.audit.named(list(told))}
        for key, happened in _moments(told, known).items():
            one, action = told[key], key.partition(":")[0]
            assert one.release is not None  # noqa: S101 - `told`
            who = str(one.commit.author) if one.own else one.approver or str(one.commit.author)
            reason = f"{who} asked for it and merged it; no one else approved" if one.own else one.commit.reason
            context.record_release(action, one.release, one.commit.sha, each, reason, who, happened)
            found.append(PassOutcome("recorded", one.release.version, f"{action} in {each} by {who}"))
    return found


def _moments(told: dict[str, EnvironmentStep], known: dict[str, str]) -> dict[str, str]:
    """Return when each entry that is missing happened, oldest first: at its commit's time, and before what followed.

    `told` is newest first. Two commits can have the same second, and the clocks of two machines differ.
    """
    found, after = {}, None
    for key, entry in told.items():
        when = known.get(key)
        if when is None:
            when = entry.commit.when
            if after is not None and datetime.fromisoformat(when) >= after:
                when = (after - JUST_BEFORE).isoformat()
            found[key] = when
        after = datetime.fromisoformat(when)
    return dict(reversed(found.items()))


def _record_key(entry: EnvironmentStep, environment: str, past: list[EnvironmentStep]) -> str | None:
    if needs_approval(environment) and entry.approver and entry.commit.action in (PROMOTE, None):
        back = any(step is entry for step, _ in taken_back(past))  # no approval: `answered` records that
        return None if back else f"{OWN if entry.own else APPROVE}:{entry.commit.sha}"
    return entry.commit.record_key

"""Whether this machine uses the registry and the audit record that Git names, before anything is written.

Both have a default on the machine's own disk, empty on a new one: an act there would be nowhere on record.
"""

from __future__ import annotations

from functools import partial

from release.context import Context
from release.environments import ENVIRONMENTS
from release.git.heads import newest
from release.release_file import Release
from slipway.errors import Refused, Unavailable


def same_stores(context: Context, name: str | None = None, *, urgent: bool = False) -> None:
    """See that record and registry are those of whoever released before; of the registry only what `name` tells.

    An urgent act goes on where one of them does not answer, and never where another one answers.

    Raises:
        Refused: the record lacks what commits have noted, or the registry has none of the versions that Git releases.
        Unavailable: one of them does not answer.
    """
    for look in (same_record, partial(same_registry, name=name)):
        try:
            look(context)
        except Unavailable:
            if not urgent:
                raise


def same_record(context: Context) -> None:
    """See that the audit record has the newest entry that a commit noted.

    Raises:
        Refused: it has not.
        Unavailable: the record does not answer.
    """
    head = newest(context.clone)
    if head is None or head == context.lost_head or context.audit.holds(head):
        return
    raise Refused(
        f"the audit record at {context.audit.where} is not the one that {context.clone.where} names",
        expected=f"a record with entry {head}, which a commit has noted",
        found=f"a record whose head is {context.audit.head()}",
        hint="export SLIPWAY_AUDIT_URL=… with the address of the record that the others use; "
        f"where that entry is lost for good: export SLIPWAY_AUDIT_LOST={head}",
    )


def same_registry(context: Context, name: str | None) -> None:
    """See that the registry has a version of `name` that Git releases; without a name or a release it tells nothing.

    Raises:
        Refused: it has none of them.
        Unavailable: the registry does not answer.
    """
    releases = [context.clone.release(name, each) for each in ENVIRONMENTS] if name in context.clone.models() else []
    wanted = {(one.version, one.run_id) for one in releases if one is not None}
    if not wanted or name is None or all(run in context.lost_runs for _, run in wanted):
        return
    tracking = context.open_tracking()
    there = {(one.number, one.run_id) for one in tracking.versions(name)}
    if wanted & there:
        return
    lost = ",".join(sorted(run for _, run in wanted))
    others = [f"version {one} is of run {run[:12]} there" for one, run in sorted(there) if one in dict(wanted)]
    named = ", ".join(f"{version} of run {run[:12]}" for version, run in sorted(wanted))
    raise Refused(
        f"MLflow at {tracking.where} has none of the versions of {name} that Git releases",
        expected=f"version {named}",
        found="; ".join([*others, "another registry, or one in which the model was deleted and made again"]),
        hint="export MLFLOW_TRACKING_URI=… with the address of the registry that the others use; "
        f"where those versions are lost for good: export SLIPWAY_RUNS_LOST={lost}",
    )


def same_version(context: Context, release: Release) -> None:
    """See that MLflow's version of a release's number is the one that the release was made of.

    Raises:
        Refused: it is of another run: the model was deleted and made again, and counts from 1.
    """
    there = next(
        (one for one in context.open_tracking().versions(release.model) if one.number == release.version), None
    )
    if there is None or there.run_id == release.run_id:
        return
    raise Refused(
        f"{release.model} version {release.version} in MLflow is another version than the release's",
        expected=f"run {release.run_id}",
        found=f"run {there.run_id or 'none'}: the model was deleted and made again",
        hint=f"slipway reject {release.model}@{release.version} --reason …, then stage another version",
    )

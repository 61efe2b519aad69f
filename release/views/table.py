"""How status, trace and the audit record look on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

from rich.console import Group
from rich.markup import escape
from rich.text import Text

from registry.tracking import CHAMPION
from release.audit.audit import Entry, in_time
from release.git.history import Entry as Step
from release.views.status import Place, Status
from release.views.trace import Trace
from slipway.table import Column, Listing

STATUS = (
    Column("model", 1), Column("environment"), Column("Git"), Column("MLflow", 2), Column("cluster", wraps=True),
    Column("state"), Column("digest", 3),
)  # fmt: skip
AUDIT = (
    Column("#"), Column("when"), Column("who", wraps=True), Column("what"), Column("model", 1), Column("version"),
    Column("to"), Column("why", 2, wraps=True), Column("from", 3), Column("recorded", 4),
)  # fmt: skip
HISTORY = (
    Column("when"), Column("version"), Column("action"), Column("by", wraps=True), Column("digest"),
    Column("asked by", 1, wraps=True), Column("commit", 2),
)  # fmt: skip
MINUTES, DIGITS = 16, 12  # of a time in ISO 8601; of a digest or a commit


def table(found: list[Status], wide: bool = False) -> Group:
    """Return the three sides of each model, and the differences below in words."""
    several = len({one.model for one in found}) > 1
    rows: list[list[str | Text]] = [
        [one.model, place.environment, _git(place), _mlflow(one, place), _runs(place), _mark(one, place),
         _short(place.release.digest if place.release else None)]
        for one in found for place in (one.staging, one.production)
    ]  # fmt: skip
    columns = [replace(column, rank=0) if several and column.name == "model" else column for column in STATUS]
    said = [
        Text.from_markup(f"[yellow]{escape(one.model)}[/]: {escape(each.said)}\n  next: {escape(each.hint)}")
        for one in found
        for each in one.differences
    ]
    agreed = Text("Git, MLflow and the cluster agree.", style="green")
    return Group(Listing(columns, rows, wide), *(said or [agreed]))


def walk(found: Trace) -> str:
    """Return the way as lines, from what runs down to the data."""
    lines = [f"{one.request_id}  predicted {one.at} by version {one.version}" for one in found.predictions]
    lines += [f"pod      {one.namespace}/{one.name}  {'ready' if one.ready else 'not ready'}" for one in found.pods]
    lines += [
        f"release  {one.environment} {one.when} {one.action or 'commit'} {one.commit[:12]}"
        + (f" approved by {one.approver}" if one.approver else "")
        for one in found.releases
    ]
    aliases = "".join(f" @{alias}" for alias in found.aliases)
    lines += [
        f"image    {found.digest or 'none'}",
        f"version  {found.model} {found.version}{aliases}, verdict {found.verdict or 'none'}",
        f"run      {found.run_id or 'unknown'}",
        f"commit   {found.git_commit or 'unknown'}",
        f"data     md5 {found.data_md5 or 'unknown'}",
        f"remote   {found.data_in_remote}: {found.data_reason}",
    ]
    lines += [f"differs  {one}; slipway status {found.model}" for one in found.others]
    return "\n".join(lines + [f"not asked: {one}" for one in found.missing])


def entries(found: list[Entry], wide: bool = False) -> Listing:
    """Return the audit record as a table: what happened, in that order, and when each row was recorded."""
    several = len({one.model for one in found}) > 1
    columns = [replace(column, rank=0) if several and column.name == "model" else column for column in AUDIT]
    cells = [
        (str(one.sequence), one.when[: None if wide else MINUTES], _person(one.actor, wide), one.action, one.model,
         str(one.version), _short(one.target, wide), one.reason, _short(one.source, wide),
         one.at[: None if wide else MINUTES])
        for one in in_time(found)
    ]  # fmt: skip
    return Listing(columns, cells, wide)


def releases(found: list[Step], wide: bool = False) -> Listing:
    """Return what an environment has run as a table; `by` is who approved it, else who did it."""
    rows = []
    for one in found:
        release, commit = one.release, one.commit
        version = str(release.version) if release else one.problem or "none"
        by, asked = "no one else" if one.own else one.approver or str(one.asked), str(one.asked)
        people = [_person(by, wide), _short(release.digest if release else None, wide), _person(asked, wide)]
        when, sha = commit.when[: None if wide else MINUTES], commit.sha[: None if wide else DIGITS]
        rows.append([when, version, commit.action or "", *people, sha])
    return Listing(HISTORY, rows, wide)


def _git(place: Place) -> str:
    return f"version {place.release.version}" if place.release else "nothing"


def _mlflow(one: Status, place: Place) -> str:
    if place.environment == "staging":
        champion = one.holder("challenger")
        return (
            f"challenger {champion.number}, {champion.tags.get('verdict', 'not judged')}"
            if champion
            else "no challenger"
        )
    holder = one.holder(CHAMPION)
    return f"champion {holder.number}, {holder.tags.get('verdict', 'not judged')}" if holder else "no champion"


def _runs(place: Place) -> str:
    if place.rollout is None:
        return "no Rollout"
    runs = f"version {place.rollout.active_version or '?'}, {place.rollout.phase}"
    waits = place.rollout.digest != place.rollout.active
    return runs + (f"; {place.rollout.version} waits" if waits and place.rollout.version else "")


def _mark(one: Status, place: Place) -> Text:
    differs = any(each.environment == place.environment for each in one.differences)
    return Text("differs", style="yellow") if differs else Text("ok", style="green")


def _person(actor: str, wide: bool) -> str:
    """Return a person's address, which is who they are; --wide gives the name as well."""
    address = re.search(r"<(.+)>$", actor)
    return address[1] if address and not wide else actor


def _short(digest: str | None, wide: bool = False) -> str:
    return digest or "" if wide or not (digest or "").startswith("sha256:") else (digest or "")[7 : 7 + DIGITS]

"""How status, trace and the audit record look on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

from rich.console import Group
from rich.markup import escape
from rich.text import Text

from registry.tracking import CHALLENGER, CHAMPION
from release.audit.audit import AuditEntry, in_time
from release.environments import STAGING
from release.git.history import EnvironmentStep
from release.views.differences import Place
from release.views.status import Status
from release.views.trace import Trace
from slipway.table import Heading, Listing

STATUS = (
    Heading("model", 1), Heading("environment"), Heading("Git"), Heading("MLflow", 2), Heading("cluster", wraps=True),
    Heading("state"), Heading("digest", 3),
)  # fmt: skip
AUDIT = (
    Heading("#"), Heading("when"), Heading("who", wraps=True), Heading("what"), Heading("model", 1), Heading("version"),
    Heading("to"), Heading("why", 2, wraps=True), Heading("from", 3), Heading("recorded", 4),
)  # fmt: skip
HISTORY = (
    Heading("when"), Heading("version"), Heading("action"), Heading("by", wraps=True), Heading("digest"),
    Heading("asked by", 1, wraps=True), Heading("commit", 2),
)  # fmt: skip
NOT_ASKED = "not asked"
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
    lines = [
        Text.from_markup(f"[yellow]{escape(one.model)}[/]: {escape(each.said)}\n  next: {escape(each.hint)}")
        for one in found
        for each in one.differences
    ]
    unasked = [Text(f"not asked: {reason}") for reason in dict.fromkeys(each for one in found for each in one.missing)]
    agreed = Text("Git, MLflow and the cluster agree.", style="green")
    return Group(Listing(columns, rows, wide), *([*lines, *unasked] or [agreed]))


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


def entries(found: list[AuditEntry], wide: bool = False) -> Listing:
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


def releases(found: list[EnvironmentStep], wide: bool = False) -> Listing:
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
    if one.versions is None:
        return NOT_ASKED
    if place.environment == STAGING:
        challenger = one.holder(CHALLENGER)
        return (
            f"challenger {challenger.number}, {challenger.tags.get('verdict', 'not judged')}"
            if challenger
            else "no challenger"
        )
    holder = one.holder(CHAMPION)
    return f"champion {holder.number}, {holder.tags.get('verdict', 'not judged')}" if holder else "no champion"


def _runs(place: Place) -> str:
    if not place.asked:
        return NOT_ASKED
    if place.rollout is None:
        return "no Rollout"
    runs = f"version {place.rollout.active_version or '?'}, {place.rollout.phase}"
    waits = place.rollout.digest != place.rollout.active
    return runs + (f"; {place.rollout.version} waits" if waits and place.rollout.version else "")


def _mark(one: Status, place: Place) -> Text:
    differs = any(each.environment == place.environment for each in one.differences)
    if differs:
        return Text("differs", style="yellow")
    return Text("unknown", style="yellow") if one.missing else Text("ok", style="green")


def _person(actor: str, wide: bool) -> str:
    """Return a person's address, which is who they are; --wide gives the name as well."""
    address = re.search(r"<(.+)>$", actor)
    return address[1] if address and not wide else actor


def _short(digest: str | None, wide: bool = False) -> str:
    return digest or "" if wide or not (digest or "").startswith("sha256:") else (digest or "")[7 : 7 + DIGITS]

"""How status, trace and the audit record look on a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from registry.release.record.audit import Entry
from registry.release.views.status import Place, Status
from registry.release.views.trace import Trace
from registry.tracking import CHAMPION


def table(found: list[Status]) -> Group:
    """Return the three sides of each model, and the differences below in words."""
    rows = Table("model", "environment", "Git", "MLflow", "cluster", "")
    for one in found:
        for place in (one.staging, one.production):
            rows.add_row(
                one.model, place.environment, _git(place), _mlflow(one, place), _runs(place), _mark(one, place)
            )
    said = [
        Text.from_markup(f"[yellow]{escape(one.model)}[/]: {escape(each.said)}\n  next: {escape(each.hint)}")
        for one in found
        for each in one.differences
    ]
    return Group(rows, *(said or [Text("Git, MLflow and the cluster agree.", style="green")]))


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
    ]
    return "\n".join(lines + [f"not asked: {one}" for one in found.missing])


def entries(found: list[Entry]) -> Table:
    """Return the audit record as a table."""
    rows = Table("#", "when", "who", "what", "model", "from", "to", "why")
    for one in found:
        cells = (one.action, f"{one.model} {one.version}", _short(one.source), _short(one.target), one.reason)
        rows.add_row(str(one.sequence), one.at[:19], *(escape(cell) for cell in (one.actor, *cells)))
    return rows


def _git(place: Place) -> str:
    return f"version {place.release.version}  {_short(place.release.digest)}" if place.release else "nothing released"


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


def _mark(one: Status, place: Place) -> str:
    differs = any(each.said.startswith(place.environment) or place.environment in each.said for each in one.differences)
    return "[yellow]differs[/]" if differs else "[green]ok[/]"


def _short(digest: str | None) -> str:
    return digest[:19] if digest else ""

"""The command line of the monitoring room."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import rich_click

from slipway.errors import BadInput
from slipway.table import WIDE, Heading, Listing, show

if TYPE_CHECKING:
    from monitoring.drift import JudgedColumn
    from monitoring.journal import JournalWindow

COLUMNS = (
    Heading("column", wraps=True), Heading("state"), Heading("index"), Heading("limit"),
    Heading("within the reference", 2), Heading("missing then", 1), Heading("missing now"),
)  # fmt: skip
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class DriftRules:
    """What is judged, and when it is drift."""

    threshold: float
    minimum_rows: int
    ignore: tuple[str, ...]


@click.command(cls=rich_click.RichCommand)
@click.argument("name", required=False)
@click.option("--since", default="7d", show_default=True, metavar="7d|24h|DATE", help="From when on.")
@click.option("--until", metavar="DATE", help="To before when.  [default: now]")
@click.option(
    "--threshold", type=click.FloatRange(0), default=0.2, show_default=True, help="Least index that can be drift."
)
@click.option("--minimum-rows", type=click.IntRange(1), default=500, show_default=True, help="Fewer cannot be judged.")
@click.option("--ignore", multiple=True, metavar="FEATURE", help="One that the journal leaves out.")
@click.option(
    "-C",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder with model/, data/ and reports/.  [default: this one]",
)
@WIDE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drift(
    name: str | None,
    since: str,
    until: str | None,
    threshold: float,
    minimum_rows: int,
    ignore: tuple[str, ...],
    root: Path,
    wide: bool,
    as_json: bool,
) -> None:
    """Compare what NAME is asked and answers with the rows on which it was judged.

    Reads the journal of SLIPWAY_DATABASE_URL. Without NAME it is the model that
    the folder holds. A feature has drifted where its population stability index is
    over the threshold and over what the reference itself shows from week to week.

    Exit codes: 0 no drift · 3 too few rows to judge · 4 drift · 5 the journal does not answer.

    Example:

        slipway drift flight-delay --since 7d
    """
    url = os.environ.get("SLIPWAY_DATABASE_URL")
    if not url:
        raise BadInput(
            "SLIPWAY_DATABASE_URL is not set",
            expected="the database of the journal",
            found="nothing",
            hint="export SLIPWAY_DATABASE_URL=postgresql://HOST/NAME  (see docs/how-to/drift.md)",
        )
    span = _span(since, until)
    window, judged = _compared(url, name, root, span, DriftRules(threshold, minimum_rows, ignore))
    _show(span, window, judged, wide, as_json)
    sys.exit(4 if any(one.drifted for one in judged) else 0)


def _compared(
    url: str, name: str | None, root: Path, span: tuple[datetime, datetime], rules: DriftRules
) -> tuple[JournalWindow, list[JudgedColumn]]:
    from monitoring.drift import judge
    from monitoring.journal import count
    from monitoring.reference import read

    reference = read(root, name)
    unknown = set(rules.ignore) - {one.name for one in reference.columns}
    if unknown:
        raise BadInput(
            f"--ignore {', '.join(sorted(unknown))} is not a feature of {reference.model}",
            expected=", ".join(sorted(one.name for one in reference.columns)),
            found=", ".join(sorted(unknown)),
            hint="correct --ignore, or leave it out",
        )
    window = count(url, reference, *span)
    if window.rows < rules.minimum_rows:
        raise BadInput(
            f"too few rows of {reference.model} to judge",
            expected=f"{rules.minimum_rows} from {span[0]:%Y-%m-%d %H:%M} UTC on",
            found=str(window.rows),
            hint="choose a longer window: --since 30d",
        )
    blocks = math.ceil((span[1] - span[0]) / timedelta(days=1))
    columns = [one for one in reference.columns if one.name not in rules.ignore]
    judged = [judge(one.name, one.by_block, window.counts[one.name], blocks, rules.threshold) for one in columns]
    return window, judged


def _moment(text: str, now: datetime) -> datetime:
    if duration := re.fullmatch(r"(\d{1,4})([hdw])", text):
        return now - timedelta(**{UNITS[duration[2]]: int(duration[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"cannot parse the time {text!r}",
            expected="a duration or a date: 7d, 24h, 2w or 2026-01-31T12:00",
            found=text,
            hint="slipway drift --since 7d",
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _span(since: str, until: str | None) -> tuple[datetime, datetime]:
    to = _moment(until, datetime.now(UTC)) if until else datetime.now(UTC)
    start = _moment(since, to)
    if start >= to:
        raise BadInput(
            "the window is empty",
            expected="--since before --until",
            found=f"{start} and {to}",
            hint="slipway drift --since 7d, or choose a later --until",
        )
    return start, to


def _show(
    span: tuple[datetime, datetime], window: JournalWindow, judged: list[JudgedColumn], wide: bool, as_json: bool
) -> None:
    drifted = [one.name for one in judged if one.drifted]
    if as_json:
        columns = [asdict(one) | {"drifted": one.drifted} for one in judged]
        summary = {"model": window.model, "since": span[0].isoformat(), "until": span[1].isoformat()}
        print(json.dumps(summary | {"rows": window.rows, "versions": window.versions, "columns": columns}, indent=2))
        return
    show(_table(judged, wide))
    versions = ", ".join(f"version {version}: {rows}" for version, rows in sorted(window.versions.items()))
    print(f"{window.rows} rows of {window.model} since {span[0]:%Y-%m-%d %H:%M} UTC ({versions})")
    print(f"drift: {', '.join(drifted)}" if drifted else "no drift")


def _table(judged: list[JudgedColumn], wide: bool) -> Listing:
    rows = []
    for one in sorted(judged, key=lambda each: each.limit - each.index):
        shares = (f"{one.missing_before:.1%}", f"{one.missing_now:.1%}")
        numbers = (f"{one.index:.3f}", f"{one.limit:.3f}", f"{one.within:.3f}")
        rows.append([one.name, "drift" if one.drifted else "", *numbers, *shares])
    return Listing(COLUMNS, rows, wide)

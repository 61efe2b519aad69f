"""The journal's commands: migrate its tables, prune its months."""

from __future__ import annotations

import dataclasses
import json
import os

import rich_click as click

from slipway.errors import BadInput


@click.group()
def journal() -> None:
    """Look after the journal's tables in PostgreSQL.

    Example:

        SLIPWAY_DATABASE_URL=postgresql://… slipway journal migrate
    """


@journal.command()
@click.option("--json", "as_json", is_flag=True, help="Print the revisions as JSON.")
def migrate(as_json: bool) -> None:
    """Bring the tables to the newest revision; does nothing when they are.

    Example:

        slipway journal migrate
    """
    from serving.journal import upkeep

    before, after = upkeep.migrate(_url())
    if as_json:
        click.echo(json.dumps({"before": before, "after": after}))
    else:
        click.echo(f"journal at {after}" + ("" if before == after else f", was {before or 'empty'}"))


@journal.command()
@click.option("--keep-months", type=click.IntRange(1), required=True, help="Whole months to keep, this one included.")
@click.option("--json", "as_json", is_flag=True, help="Print what was dropped as JSON.")
def prune(keep_months: int, as_json: bool) -> None:
    """Drop the months that are past their keeping.

    Example:

        slipway journal prune --keep-months 13
    """
    from serving.journal import upkeep

    done = upkeep.prune(_url(), keep_months)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done)))
    else:
        click.echo(f"dropped {len(done.partitions)} month(s) {', '.join(done.partitions)} and {done.keys} id(s)")


def _url() -> str:
    url = os.environ.get("SLIPWAY_DATABASE_URL", "")
    if not url:
        raise BadInput("no database", expected="SLIPWAY_DATABASE_URL=postgresql://…", found="nothing")
    return url

"""The journal's commands: migrate its tables, prune its months, read back what was set aside."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

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
    from journal import upkeep

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
    from journal import upkeep

    done = upkeep.prune(_url(), keep_months)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done)))
    else:
        click.echo(f"dropped {len(done.partitions)} month(s) {', '.join(done.partitions)} and {done.keys} id(s)")


@journal.command()
@click.option(
    "--spool", type=click.Path(path_type=Path), envvar="SLIPWAY_SPOOL", default=Path("var/spool"), show_default=True,
    help="Folder of the spool.",
)  # fmt: skip
@click.option("--replay", is_flag=True, help="Try each row again; what PostgreSQL takes leaves its file.")
@click.option("--json", "as_json", is_flag=True, help="Print files and rows as JSON.")
def aside(spool: Path, replay: bool, as_json: bool) -> None:
    """List rows that PostgreSQL refused and segments with damage, or read them back.

    Example:

        slipway journal aside --spool var/spool --replay
    """
    from journal import readback

    done: list[readback.Kept] | list[readback.Replayed]
    done = readback.replay(spool, _url()) if replay else readback.listed(spool)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in done]))
        return
    for one in done:
        if isinstance(one, readback.Kept):
            click.echo(f"{one.path}: {one.rows} row(s), {one.damaged} damaged place(s), {one.bytes} bytes")
            click.echo("".join(f"  {name}\n" for name in one.ids), nl=False)
        else:
            what = "the file stays" if one.stays else "the file is gone"
            click.echo(f"{one.path}: {one.taken} row(s) taken, {one.refused} refused; {what}")
    if not done:
        click.echo("nothing is set aside")


def _url() -> str:
    url = os.environ.get("SLIPWAY_DATABASE_URL", "")
    if not url:
        raise BadInput(
            "SLIPWAY_DATABASE_URL is not set",
            expected="postgresql://USER@HOST/NAME",
            found="nothing",
            hint="export SLIPWAY_DATABASE_URL=postgresql://HOST/NAME",
        )
    return url

"""The command that shows the audit record: audit."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, settings
from slipway.names import checked
from slipway.table import WIDE, show

if TYPE_CHECKING:
    from release.audit.audit import AuditEntry


@COMMAND()
@click.argument("name", required=False)
@click.option("--verify", is_flag=True, help="Look for rows that were changed, deleted or put in; exit 4 if there are.")
@click.option(
    "--head", "heads", multiple=True, metavar="SEQUENCE:HASH", help="One more head noted before, for --verify."
)
@FOLDER
@WIDE
@AS_JSON
def audit(name: str | None, verify: bool, heads: tuple[str, ...], root: Path, wide: bool, as_json: bool) -> None:
    """List who did what to NAME, when and why, oldest first, or to every model.

    The order is that in which it happened. What was recorded late keeps its
    number in the record; --wide shows when that was.

    --verify looks whether the rows follow from each other, and asks Git: every
    commit of the release path notes the head of the record before it, and has
    an entry of its own.

    Exit codes: 0 intact · 4 the record was changed, or a commit is not on it.

    Example:

        slipway audit flight-delay --verify
    """
    from release.audit.audit import in_time, open_audit
    from release.views.table import entries

    record = open_audit(settings(root).audit_url)
    if name is not None:
        checked(name)
    every = record.entries()
    if verify:
        _verify(root, every, heads)
    found = in_time([one for one in every if name in (None, one.model)])
    head = f"{every[-1].sequence}:{every[-1].hash}" if every else None
    said: dict[str, Any] = {"entries": [_row(one) for one in found], "head": head, "verified": verify or None}
    if as_json:
        print(json.dumps(said, indent=2))
        return
    show(entries(found, wide))
    whole = f"; {len(every)} rows follow from each other" if verify else ""
    print(f"head {head or 'none'}{whole}")


def _row(entry: AuditEntry) -> dict[str, Any]:
    return asdict(entry) | {"happened": entry.when, "recorded": entry.at}


def _verify(root: Path, every: list[AuditEntry], heads: tuple[str, ...]) -> None:
    from release.audit.audit import verify
    from release.git.heads import audit_heads
    from release.views.unrecorded_commits import unrecorded
    from release.wiring import opened
    from slipway.errors import Refused

    with opened(settings(root)) as clone:
        wrong, missing = verify(every, [*heads, *audit_heads(clone)]), unrecorded(clone, every)
    if wrong:
        raise Refused(
            "the audit record was changed",
            expected="rows that follow from each other, and the heads that commits have noted",
            found="; ".join(wrong),
            hint="check that SLIPWAY_AUDIT_URL is the record that all use, then compare with a backup of the database",
        )
    if missing:
        raise Refused(
            "the audit record lacks releases",
            expected="an entry for every commit of the release path",
            found="; ".join(missing),
            hint="slipway reconcile --once, which completes what was cut off; else compare with a backup",
        )

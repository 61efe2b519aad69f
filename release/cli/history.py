"""The commands that show releases: history and diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, acting, environment_argument, settings
from release.environments import PRODUCTION, STAGING
from slipway.errors import Refused
from slipway.names import checked
from slipway.table import WIDE, show

if TYPE_CHECKING:
    from release.git.history import EnvironmentStep


@COMMAND()
@click.argument("name")
@environment_argument(PRODUCTION)
@click.option("--limit", type=click.IntRange(min=1), help="The newest so many.")
@click.option("--verify", "verify", is_flag=True, help="Check the signature of every commit that touched production.")
@click.option("--since", metavar="COMMIT", help="With --verify: the commit from which on everything is signed.")
@FOLDER
@WIDE
@AS_JSON
def history(
    name: str,
    environment: str,
    limit: int | None,
    verify: bool,
    since: str | None,
    root: Path,
    wide: bool,
    as_json: bool,
) -> None:
    """List what ENVIRONMENT has run of NAME, newest first, from Git alone.

    --verify names every commit that touched what production renders and is not
    signed by an allowed key (SLIPWAY_ALLOWED_SIGNERS, or a trusted OpenPGP key),
    every release that is not a merge of a new request by another key, and every
    step back to what production never ran, and ends with exit code 4.

    Example:

        slipway history flight-delay --verify
    """
    from release.git.history import history as run
    from release.git.signers import verify as check
    from release.views.table import releases
    from release.wiring import opened

    with opened(settings(root)) as clone:
        entries = run(clone, checked(name), environment, limit)
        problems = check(clone, name, since) if verify else None
    rows = [_row(entry) for entry in entries]
    facts = {"model": name, "environment": environment, "releases": rows, "problems": problems}
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        show(releases(entries, wide))
    if problems:
        raise _unverified(name, problems)


@COMMAND()
@click.argument("name")
@FOLDER
@AS_JSON
def diff(name: str, root: Path, as_json: bool) -> None:
    """Show what the open request of NAME, else staging's release, would change in production.

    The release file first, then everything that kustomize makes of it.

    Example:

        slipway diff flight-delay
    """
    from release.git.diff import difference
    from release.git.requests import tip

    with acting(root) as context:
        clone, requests = context.clone, context.forge.open_requests(checked(name))
        source = requests[0].branch if requests else STAGING
        sha = tip(clone, requests[0].branch) if requests else None
        after = clone.text(clone.path(name, PRODUCTION), sha) if sha else clone.text(clone.path(name, STAGING))
        made = difference(clone, name, after)
    if as_json:
        click.echo(
            json.dumps({"model": name, "from": source, "release": made.release, "rendered": made.rendered}, indent=2)
        )
    elif made.release:
        click.echo(f"{made.release}\n{made.rendered}")
    else:
        click.echo(f"{name}: production has what {source} has")


def _unverified(name: str, problems: list[str]) -> Refused:
    return Refused(
        f"the history of {name} in production does not verify",
        expected="every commit signed by an allowed key, every release approved by another, no unrecorded way back",
        found="; ".join(problems),
        hint="git show the commits named, then roll back to a release that is signed",
    )


def _row(entry: EnvironmentStep) -> dict[str, Any]:
    release, commit = entry.release, entry.commit
    return {
        "commit": commit.sha,
        "when": commit.when,
        "action": commit.action,
        "version": release.version if release else None,
        "digest": release.digest if release else None,
        "asked": str(entry.asked),
        "approver": entry.approver,
        "own": entry.own,
        "rejects": entry.rejects,
        "problem": entry.problem,
    }

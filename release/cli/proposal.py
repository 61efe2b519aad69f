"""The command line of `slipway proposal`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import click
import rich_click

from registry.options import AS_JSON
from slipway.errors import BadInput, Refused


@click.command(cls=rich_click.RichCommand)
@click.argument("number", type=click.IntRange(min=1), required=False)
@click.option("--queued", metavar="SHA", help="A merge queue's commit: each pull request in it had its verdict.")
@AS_JSON
def proposal(number: int | None, queued: str | None, as_json: bool) -> None:
    """Say on a pull request whether it leaves production's releases alone: the required check slipway/promotion.

    A request that `slipway promote` opened has its verdict already, and keeps
    it. Reads GITHUB_REPOSITORY, GITHUB_TOKEN (commit statuses: write) and
    GITHUB_API_URL. `slipway reconcile` does the same for every pull request.

    Exit codes: 0 it may merge, or has a verdict · 4 it changes a release.

    Example:

        slipway proposal 42
    """
    from release.promoter.proposals import report
    from release.settings import place
    from release.wiring import of_github

    if (number is None) == (queued is None):
        raise BadInput("nothing to give a verdict on", expected="NUMBER or --queued SHA", hint="slipway proposal 42")
    branch, folder = place(os.environ)  # no one is named here: the token says who speaks
    forge = of_github(branch, os.environ)
    if queued is not None:
        forge.report(queued, True, "each pull request in it had its verdict")
    found = report(forge, folder, number) if number is not None else []
    if as_json:
        click.echo(json.dumps({"number": number, "queued": queued, "outcomes": [asdict(one) for one in found]}))
    else:
        click.echo(found[0].said if found else "has its verdict already" if number else f"{queued} may merge")
    if any(one.kind == "refused" for one in found):
        raise Refused(
            f"pull request {number} does not leave production's releases alone",
            found=found[0].said,
            hint="take the release file out, then slipway promote NAME@NUMBER or slipway rollback NAME --reason …",
        )

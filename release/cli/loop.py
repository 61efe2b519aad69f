"""The commands that reconcile: once, in a loop, or woken by MLflow's webhook."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, acting, cluster
from slipway.errors import SlipwayError
from slipway.names import checked

if TYPE_CHECKING:
    from release.promoter.reconcile import PassResult


@COMMAND()
@click.argument("name", required=False)
@click.option("--once", is_flag=True, help="One pass, for scripts.")
@click.option("--every", type=click.FloatRange(min=1), default=30, show_default=True, help="Seconds between passes.")
@FOLDER
@AS_JSON
def reconcile(name: str | None, once: bool, every: float, root: Path, as_json: bool) -> None:
    """Make Git, MLflow and the cluster agree, as far as no person has to decide.

    Opens the request of a version that became champion, puts back an alias
    that may not move, takes back a release that failed its analysis, and
    records approvals. Two at once, or one killed anywhere, do no harm.

    Exit codes of --once: 0 done · 5 a model could not be looked at.

    Example:

        slipway reconcile --once --json
    """
    from release.promoter.reconcile import reconcile as run

    models = [checked(name)] if name else None
    with acting(root) as context:
        if once:
            done = run(context, cluster, models)
            _tell(done, as_json)
            sys.exit(5 if any(one.failed for one in done) else 0)
        while True:
            try:
                _tell(run(context, cluster, models), as_json)
            except SlipwayError as error:  # Git is away: the loop is the truth, it outlives that
                click.echo(f"error: {error}", err=True)
            time.sleep(every)


@COMMAND()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8100, show_default=True)
@click.option("--every", type=click.FloatRange(min=1), default=30, show_default=True, help="Seconds between passes.")
@click.option("--register", "url", metavar="URL", help="Make MLflow call URL, and end: run once, as MLflow's admin.")
@FOLDER
def webhook(host: str, port: int, every: float, url: str | None, root: Path) -> None:
    """Take MLflow's webhook and reconcile, in one process.

    The secret is in SLIPWAY_WEBHOOK_SECRET (or a file named by
    SLIPWAY_WEBHOOK_SECRET_FILE). A delivery that is lost costs at most --every
    seconds: the passes do not need it.

    Example:

        slipway webhook --host 0.0.0.0 --port 8100 --every 30
    """
    from release.cli.promoter import register, run

    if url:
        print(register(root, url))
    else:
        run(root, host, port, every)


def _tell(done: list[PassResult], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(one) for one in done]), flush=True)
        return
    for one in done:
        for each in one.outcomes:
            about = f"{one.model} {each.version or ''}: " if one.model else ""
            click.echo(f"{about}{each.kind}: {each.said}")
        if one.failed:
            click.echo(f"{one.model}: {one.failed}" if one.model else one.failed, err=True)

"""The commands that watch a release and see it through: status, trace, resume, abort, reconcile, audit."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from registry.names import checked
from registry.options import AS_JSON, FOLDER
from registry.release.commands.process import COMMAND, acting, settings, show

if TYPE_CHECKING:
    from registry.release.cluster.api import Cluster
    from registry.release.views.status import Status

ENVIRONMENT = click.argument("environment", default="production", type=click.Choice(["staging", "production"]))


@COMMAND()
@click.argument("name", required=False)
@click.option("--watch", is_flag=True, help="Look again every 2 seconds until Ctrl-C.")
@FOLDER
@AS_JSON
def status(name: str | None, watch: bool, root: Path, as_json: bool) -> None:
    """Show Git, MLflow and the cluster side by side, and where they differ.

    Exit codes: 0 they agree · 4 they differ · 5 one of them cannot be asked.

    Example:

        slipway status flight-delay --watch
    """
    from registry.release.views.status import status as run
    from registry.release.views.table import table

    wanted = checked(name) if name else None
    with acting(root) as context:
        found = run(context, _cluster, wanted)
        if watch and not as_json:
            _watch(lambda: (context.clone.fetch(), run(context, _cluster, wanted))[1])
            return
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=2, default=str))
    else:
        Console().print(table(found))
    sys.exit(4 if any(one.differences for one in found) else 0)


@COMMAND()
@click.argument("thing")
@FOLDER
@AS_JSON
def trace(thing: str, root: Path, as_json: bool) -> None:
    """Walk from THING to the image, version, run, commit and data behind it, and back.

    THING is a pod (POD or NAMESPACE/POD), a digest (sha256:…), a version
    (NAME/VERSION or NAME@alias), or the id of a request in the journal of
    SLIPWAY_DATABASE_URL.

    Example:

        slipway trace flight-delay/7
    """
    from registry.release.views.table import walk
    from registry.release.views.trace import Sides
    from registry.release.views.trace import trace as run

    with acting(root) as context:
        found = run(Sides(context, _cluster, os.environ.get("SLIPWAY_DATABASE_URL") or None), thing)
    if as_json:
        print(json.dumps(asdict(found), indent=2, default=str))
    else:
        Console(soft_wrap=True, highlight=False).print(walk(found), markup=False)


@COMMAND()
@click.argument("name")
@ENVIRONMENT
@FOLDER
@AS_JSON
def resume(name: str, environment: str, root: Path, as_json: bool) -> None:
    """Let the version that waits in preview take over: the approval of when.

    What `kubectl argo rollouts promote` does, and an entry in the audit record.

    Example:

        slipway resume flight-delay production
    """
    _steer("resume", checked(name), environment, root, as_json)


@COMMAND()
@click.argument("name")
@ENVIRONMENT
@FOLDER
@AS_JSON
def abort(name: str, environment: str, root: Path, as_json: bool) -> None:
    """Stop the version in preview; the active one goes on.

    What `kubectl argo rollouts abort` does, and an entry in the audit record.
    Git still names the version: `slipway rollback` takes it out of there.

    Example:

        slipway abort flight-delay production
    """
    _steer("abort", checked(name), environment, root, as_json)


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
    from registry.release.promoter.reconcile import reconcile as run

    models = [checked(name)] if name else None
    with acting(root) as context:
        while True:
            done = run(context, _cluster, models)
            if as_json:
                print(json.dumps([asdict(one) for one in done]), flush=True)
            else:
                _tell(done)
            if once:
                sys.exit(5 if any(one.failed for one in done) else 0)
            time.sleep(every)


@COMMAND()
@click.argument("name", required=False)
@click.option("--verify", is_flag=True, help="Look for rows that were changed, deleted or put in; exit 4 if there are.")
@click.option("--head", "heads", multiple=True, metavar="SEQUENCE:HASH", help="A head noted before, for --verify.")
@FOLDER
@AS_JSON
def audit(name: str | None, verify: bool, heads: tuple[str, ...], root: Path, as_json: bool) -> None:
    """List who did what to NAME, when and why, oldest first, or to every model.

    The last line is the record's head. Noted elsewhere and given to --verify
    later, it shows rows that are missing at the end.

    Example:

        slipway audit flight-delay --verify
    """
    from registry.release.record.audit import open_audit
    from registry.release.record.audit import verify as run
    from registry.release.views.table import entries
    from slipway.errors import Refused

    record = open_audit(settings(root).audit_url)
    every = record.entries()
    wrong = run(every, heads) if verify else []
    found = [one for one in every if name in (None, one.model)]
    head = f"{every[-1].sequence}:{every[-1].hash}" if every else None
    if wrong:
        raise Refused(
            "the audit record was changed", expected="rows that follow from each other", found="; ".join(wrong),
            hint="compare with a backup of the database; the rows before the first one named are whole",
        )  # fmt: skip
    said: dict[str, Any] = {"entries": [asdict(one) for one in found], "head": head, "verified": verify or None}
    if as_json:
        print(json.dumps(said, indent=2))
        return
    Console().print(entries(found))
    whole = f"; {len(every)} rows follow from each other" if verify else ""
    print(f"head {head or 'none'}{whole}")


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
    from registry.release.commands.promoter import register, run

    if url:
        print(register(root, url))
    else:
        run(root, host, port, every)


def _steer(word: str, name: str, environment: str, root: Path, as_json: bool) -> None:
    from registry.release.acts.steer import steer

    with acting(root) as context:
        done = steer(context, _cluster, word, name, environment)
    text = f"{word}: {name} in {environment} is {done.phase} {done.message}".rstrip()
    show(as_json, asdict(done), text)


def _cluster() -> Cluster:
    from registry.release.commands.opening import cluster

    return cluster(os.environ)


def _watch(look: Any) -> None:
    from rich.live import Live

    from registry.release.views.table import table
    from slipway.errors import SlipwayError

    with Live(refresh_per_second=2) as live:
        while True:
            try:
                live.update(table(look()))
            except SlipwayError as error:
                live.update(str(error))
            time.sleep(2)


def _tell(done: Any) -> None:
    for one in done:
        for each in one.outcomes:
            click.echo(f"{one.model} {each.version or ''}: {each.kind}: {each.said}")
        if one.failed:
            click.echo(f"{one.model}: {one.failed}", err=True)


def _plain(one: Status) -> dict[str, Any]:
    versions = [
        {"version": each.number, "verdict": each.tags.get("verdict"), "aliases": each.aliases,
         "rejected": each.tags.get("rejected"), "promotion_refused": each.tags.get("promotion_refused")}
        for each in one.versions if each.aliases
    ]  # fmt: skip
    return asdict(replace(one, versions=())) | {"versions": versions, "agree": not one.differences}

"""The commands that watch a release and see it through: status, trace, resume, abort."""

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

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, acting, cluster, environment_argument, show
from release.environments import PRODUCTION
from slipway.names import checked
from slipway.table import WIDE

if TYPE_CHECKING:
    from release.views.status import Status


@COMMAND()
@click.argument("name", required=False)
@click.option("--watch", is_flag=True, help="Look again every 2 seconds until Ctrl-C.")
@FOLDER
@WIDE
@AS_JSON
def status(name: str | None, watch: bool, root: Path, wide: bool, as_json: bool) -> None:
    """Show Git, MLflow and the cluster side by side, and where they differ.

    Where MLflow or the cluster cannot be asked, the others are shown and the
    reason is named.

    Exit codes: 0 they agree · 4 they differ · 5 one of them cannot be asked.

    Example:

        slipway status flight-delay --watch
    """
    from release.views.status import status as run
    from release.views.table import table

    wanted = checked(name) if name else None
    with acting(root) as context:
        found = run(context, cluster, wanted)
        if watch and not as_json:
            _watch(lambda: table((context.clone.fetch(), run(context, cluster, wanted))[1], wide))
            return
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=2, default=str))
    else:
        Console(soft_wrap=True, highlight=False).print(table(found, wide))
    sys.exit(_code(found))


@COMMAND()
@click.argument("thing")
@FOLDER
@AS_JSON
def trace(thing: str, root: Path, as_json: bool) -> None:
    """Walk from THING to the image, version, run, commit and data behind it, and back.

    THING is a version (NAME, NAME@ALIAS or NAME@NUMBER), a pod (POD or
    NAMESPACE/POD), a digest (sha256:…), or the id of a request in the journal
    of SLIPWAY_DATABASE_URL.

    Example:

        slipway trace flight-delay@7
    """
    from release.views.table import walk
    from release.views.trace import Sides
    from release.views.trace import trace as run

    with acting(root) as context:
        found = run(Sides(context, cluster, os.environ.get("SLIPWAY_DATABASE_URL") or None), thing)
    if as_json:
        print(json.dumps(asdict(found), indent=2, default=str))
    else:
        Console(soft_wrap=True, highlight=False).print(walk(found), markup=False)


@COMMAND()
@click.argument("name")
@environment_argument(PRODUCTION)
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
@environment_argument(PRODUCTION)
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


def _steer(word: str, name: str, environment: str, root: Path, as_json: bool) -> None:
    from release.actions.steer import steer

    with acting(root) as context:
        done = steer(context, cluster, word, name, environment)
    text = f"{word}: {name} in {environment} is {done.phase} {done.message}".rstrip()
    show(as_json, asdict(done), text)


def _watch(look: Any) -> None:
    from rich.live import Live

    from slipway.errors import SlipwayError

    with Live(refresh_per_second=2) as live:
        while True:
            try:
                live.update(look())
            except SlipwayError as error:
                live.update(str(error))
            time.sleep(2)


def _code(found: list[Status]) -> int:
    """Return the exit code: who was not asked may differ, so 5 goes before 4."""
    if any(one.missing for one in found):
        return 5
    return 4 if any(one.differences for one in found) else 0


def _plain(one: Status) -> dict[str, Any]:
    versions = None if one.versions is None else [
        {"version": each.number, "verdict": each.tags.get("verdict"), "aliases": each.aliases,
         "rejected": each.tags.get("rejected"), "promotion_refused": each.tags.get("promotion_refused")}
        for each in one.versions if each.aliases
    ]  # fmt: skip
    return asdict(replace(one, versions=())) | {"versions": versions, "agree": one.agree}

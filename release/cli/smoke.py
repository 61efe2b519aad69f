"""The command that judges what runs: smoke."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from registry.options import AS_JSON, FOLDER
from release.cli.process import COMMAND, acting, environment_argument, show
from release.environments import STAGING
from slipway.names import checked


@COMMAND()
@click.argument("name")
@environment_argument(STAGING)
@FOLDER
@AS_JSON
def smoke(name: str, environment: str, root: Path, as_json: bool) -> None:
    """Judge what ENVIRONMENT runs by the Rollout's own analysis, and wait for its end.

    Argo Rollouts judges no first release, so nothing is promoted from a staging
    whose first release has not been through this. Needs the right to make
    AnalysisRuns there. A failed analysis ends with exit code 4.

    Example:

        slipway smoke flight-delay staging
    """
    from release.actions.smoke import smoke as run
    from release.wiring import cluster

    with acting(root) as context:
        done = run(context, lambda: cluster(os.environ), checked(name), environment)
    show(as_json, {"model": name, "environment": environment, **asdict(done)}, f"{name} in {environment}: {done.phase}")

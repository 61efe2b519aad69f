"""What the registry's commands share: their options, and the store that the environment names.

With the command modules, the only place in the room that reads the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from slipway.embedded_store import settle, settle_aloud
from slipway.tracking_uri import tracking_uri

if TYPE_CHECKING:
    from registry.tracking import Tracking

# A dead server is reported in seconds. A value that is already set is a decision.
PATIENCE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "AWS_MAX_ATTEMPTS": "2",
}
FOLDER = click.option(
    "-C",
    "root",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder of the model: params.yaml, dvc.lock, model/, reports/.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for a script.")


def open_tracking(root: Path) -> Tracking:
    """Open the store of MLFLOW_TRACKING_URI, or the embedded one of the project."""
    from registry.tracking import open_store

    for variable, value in PATIENCE.items():
        os.environ.setdefault(variable, value)
    project, named = top(root), os.environ.get("MLFLOW_TRACKING_URI")
    embedded = not named or named == tracking_uri(None, project)
    if embedded:
        settle_aloud(project)
    opened = open_store(tracking_uri(named, project))
    if embedded:  # the first time, MLflow has just made it
        settle(project)
    return opened


def top(root: Path) -> Path:
    """Return the top of the Git repository that `root` is in, or `root` itself."""
    from registry.source import toplevel

    return toplevel(root) or root.resolve()

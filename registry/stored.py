"""Whether the artifact store and MLflow's rows belong together: a row without its files, files without their row.

Looks and says; what was lost, a person restores (docs/how-to/restore.md).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from registry.export import fetch
from registry.tracking import Tracking, Version
from slipway import artifact, mlflow_errors
from slipway.answer import Answer
from slipway.errors import Refused, Unavailable


def whole(tracking: Tracking, version: Version) -> Answer:
    """Say whether the store has a version's files with the digests that were registered, and why."""
    try:
        if lacks := missing(tracking, version):
            return Answer(False, f"the artifact store has no {', '.join(lacks)} of version {version.number}")
        with tempfile.TemporaryDirectory(prefix="slipway-stored-") as folder:
            fetch(tracking, version, artifact.EXPORTED, Path(folder))
        if tracking.deleted_run(version.run_id):  # `mlflow gc` takes its files with it
            gone = mlflow_errors.deleted("run", version.run_id, tracking.where)
            return Answer(False, f"{gone.thing}; {gone.hint}")
    except Refused as error:
        return Answer(False, f"{error.thing}: {error.found}")
    except Unavailable as error:
        return Answer(None, f"{error.thing}: {error.found}")
    return Answer(True, "the artifact store has what was registered")


def missing(tracking: Tracking, version: Version) -> list[str]:
    """Return the files of a version that the store does not list."""
    return sorted(set(artifact.EXPORTED) - set(tracking.files(version)))


def unowned(tracking: Tracking, name: str) -> list[str]:
    """Return the logged models of `name` that the store has files of and MLflow has no row of, deleted ones neither."""
    there = tracking.stored_models(name)  # first: a row is there before its files are
    strangers = set(there) - tracking.logged_models(name)
    return sorted(one for one in strangers if not tracking.knows_model(one))

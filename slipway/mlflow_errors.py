"""What MLflow's refusals mean, and what to type: deleted things can be restored, and none of it is an outage."""

from __future__ import annotations

import re
from typing import Any

from slipway.errors import BadInput

RETRY = "then run the same command again"
HINTS = {
    "RESOURCE_DOES_NOT_EXIST": "somebody deleted it in MLflow meanwhile; slipway versions lists what is there",
    "UNAUTHENTICATED": f"export MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, {RETRY}",
    "PERMISSION_DENIED": f"ask for EDIT on the experiment and the registered model in MLflow, {RETRY}",
}
UP = f"see that MLFLOW_TRACKING_URI is right and the store is up, {RETRY}"
DELETED = re.compile(r"The (experiment|run) (\w+) must be in the 'active' state\. Current state is deleted")


def deleted(kind: str, identity: str, where: str, name: str = "") -> BadInput:
    """Return the error for an `experiment` or a `run` that somebody deleted; `where` is the store's address."""
    plural, flag = {"experiment": ("experiments", "--experiment-id"), "run": ("runs", "--run-id")}[kind]
    return BadInput(
        f"the {kind} {name or identity} was deleted in MLflow at {where}",
        expected=f"{'an' if kind == 'experiment' else 'a'} {kind} that is active",
        found=f"{kind} {identity}, deleted",
        hint=f"MLFLOW_TRACKING_URI='{where}' mlflow {plural} restore {flag} {identity}, {RETRY}",
    )


def of_deleted(error: Exception, where: str) -> BadInput | None:
    """Return what an error of MLflow's says of a deleted experiment or run; None where it is about something else."""
    found = DELETED.search(str(error))
    return deleted(found[1], found[2], where) if found else None


def hint(error: Any) -> str:
    """Return the next step after an error of MLflow's: only what is no answer at all is a matter of the store."""
    return HINTS.get(str(getattr(error, "error_code", "")), UP)

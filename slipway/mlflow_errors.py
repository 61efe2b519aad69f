"""What MLflow's refusals mean, and what to type: a login that is missing, wrong or too weak; what was deleted."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from slipway.errors import BadInput, Unavailable
from slipway.mlflow_login import login

RETRY = "then run the same command again"
HINTS = {
    "RESOURCE_DOES_NOT_EXIST": "slipway versions, which lists what is left: it was deleted in MLflow meanwhile",
}
REFUSALS = {"UNAUTHENTICATED": 401, "CUSTOMER_UNAUTHORIZED": 401, "PERMISSION_DENIED": 403}
UP = f"see that MLFLOW_TRACKING_URI is right and the store is up, {RETRY}"
DELETED = re.compile(r"The (experiment|run) (\w+) must be in the 'active' state\. Current state is deleted")


def deleted(kind: str, identity: str, where: str, name: str = "") -> BadInput:
    """Return the error for an `experiment` or a `run` that was deleted; `where` is the store's address."""
    plural, flag = {"experiment": ("experiments", "--experiment-id"), "run": ("runs", "--run-id")}[kind]
    return BadInput(
        f"the {kind} {name or identity} was deleted in MLflow at {where}",
        expected=f"{'an' if kind == 'experiment' else 'a'} {kind} that is active",
        found=f"{kind} {identity}, deleted",
        hint=f"MLFLOW_TRACKING_URI='{where}' mlflow {plural} restore {flag} {identity}, {RETRY}",
    )


def of_deleted(error: Exception, where: str) -> BadInput | None:
    """Return what an error of MLflow's means for a deleted experiment or run; None where it is about something else."""
    found = DELETED.search(str(error))
    return deleted(found[1], found[2], where) if found else None


def known(error: Exception, what: str, where: str) -> BadInput | Unavailable | None:
    """Return the error for what MLflow refuses by a word that we know; None for any other."""
    return of_deleted(error, where) or of_login(error, what, where)


def of_login(error: Any, what: str, where: str) -> Unavailable | None:
    """Return the error for a login that is missing, wrong or may not do `what`; None where it is about something else.

    It is not a Refused: a promoter whose password expired must not reject a promotion request.
    """
    status = REFUSALS.get(str(getattr(error, "error_code", ""))) or _status_of_files(error, where)
    if status == 401:
        return Unavailable(
            f"MLflow at {where} refused the login",
            expected="a user and a password that this server knows",
            found=f"{login().described(where)} (401)",
            hint=f"export MLFLOW_TRACKING_USERNAME=… MLFLOW_TRACKING_PASSWORD=…, {RETRY}",
        )
    if status == 403:
        return Unavailable(
            f"MLflow at {where} does not permit this login to {what}",
            expected="READ to list and export; EDIT on the experiment and the registered model to register and promote",
            found=f"{login().described(where)} (403)",
            hint=f"ask who runs MLflow for the permission, or export MLFLOW_TRACKING_USERNAME=… "
            f"MLFLOW_TRACKING_PASSWORD=… of a user who has it, {RETRY}",
        )
    return None


def _status_of_files(error: Any, where: str) -> int | None:
    """Return the status that the server gave a file, which goes by requests alone; another host's is none of it."""
    answer = getattr(error, "response", None)
    asked = str(getattr(answer, "url", None) or "")
    same = bool(asked) and urlsplit(asked).hostname == urlsplit(where).hostname
    return int(answer.status_code) if answer is not None and same else None


def hint(error: Any) -> str:
    """Return the next step after an error of MLflow's: only a missing answer is a matter of the store."""
    return HINTS.get(str(getattr(error, "error_code", "")), UP)

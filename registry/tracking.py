"""MLflow's registry: versions with their tags and aliases, and the files behind them.

Every call that fails (a dead server, a refused login, a full disk) comes
out as Unavailable with the store's address, without credentials in it; what
somebody deleted comes out as BadInput with the command that restores it.
What REST or the database answers is asked there: importing MLflow's client
takes seconds (docs/adr/0104-mlflow-without-its-client.md).
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.store.files import FilePlaces, Files
from registry.store.records import NOT_THERE, Records
from registry.store.records import Version as Version
from slipway import mlflow_errors
from slipway.errors import SlipwayError, Unavailable
from slipway.redaction import without_credentials

if TYPE_CHECKING:
    from registry.store.rest import Server

CHALLENGER, CHAMPION = "challenger", "champion"
KEY_TAG = "registration_key"
DATABASES = ("sqlite:", "postgresql+psycopg:")


@dataclass(frozen=True)
class Tracking:
    """An open MLflow store; `where` is its address for people, `files_at` opens the folder of an address."""

    uri: str
    records: Records = field(repr=False)
    files_at: Callable[[str], Files] = field(repr=False)

    @property
    def where(self) -> str:
        return without_credentials(self.uri)

    @functools.cached_property
    def client(self) -> Any:
        """MLflow's own client, imported now: what only it can do is to create versions and runs, and to upload."""
        from registry.store import client

        return client.opened(self.uri)

    def load_client(self) -> None:
        """Import MLflow's client now, which takes seconds: whoever needs it soon does so beside other work."""
        with self.asking("be opened"):
            _ = self.client

    def asking(self, what: str) -> contextlib.AbstractContextManager[None]:
        """Turn whatever goes wrong inside into Unavailable; what somebody deleted in MLflow into BadInput."""
        return _asking(self.where, what)

    def versions(self, name: str) -> list[Version]:
        """Return the versions of a model, oldest first; none where the model does not exist."""
        return self.registered(name).get(name, [])

    def registered(self, name: str | None = None) -> dict[str, list[Version]]:
        """Return the versions of every model, or of `name`, oldest first: two questions, however many there are."""
        with self.asking("list the versions of " + (name or "every model")):
            return self.records.versions(name)

    def names(self) -> list[str]:
        """Return every registered model's name."""
        return sorted(self.registered())

    def create_version(self, name: str, run_id: str, model_id: str, tags: dict[str, str]) -> int:
        """Create the version with its tags, in one transaction; return its number."""
        with self.asking(f"create a version of {name}"):
            made = self.client.create_model_version(
                name, f"models:/{model_id}", run_id=run_id, tags=tags, model_id=model_id
            )
            return int(made.version)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Move an alias; a version that somebody has just deleted is left alone."""
        with self.asking(f"set the alias {alias} of {name}"):
            unless_it_is_gone(self.records.set_alias, name, alias, number)

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        with self.asking(f"delete the alias {alias} of {name}"):
            self.records.delete_alias(name, alias)

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        with self.asking(f"tag version {number} of {name}"):
            self.records.set_tag(name, number, key, value)

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Take one tag from a version."""
        with self.asking(f"untag version {number} of {name}"):
            self.records.delete_tag(name, number, key)

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version, unless it is gone already."""
        with self.asking(f"delete version {number} of {name}"):
            unless_it_is_gone(self.client.delete_model_version, name, str(number))

    def download(self, version: Version, file: str, folder: Path) -> Path:
        """Download one file of a version; the caller verifies it."""
        with self.asking(f"deliver {file} of {version.name} version {version.number}"):
            return self.files_at(self.records.location(version.name, version.number)).download(file, folder)

    def files(self, version: Version) -> list[str]:
        """Return the names of the files that the artifact store lists of a version."""
        with self.asking(f"list the files of {version.name} version {version.number}"):
            return self.files_at(self.records.location(version.name, version.number)).names()

    def upload(self, version: Version, folder: Path) -> None:
        """Put the files of a folder beside the files of a version."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with self.asking(f"store files of {version.name} version {version.number}"):
            source = self.client.get_model_version_download_uri(version.name, str(version.number))
            store: Any = get_artifact_repository(source, tracking_uri=self.uri)
            store.log_artifacts(str(folder))

    def stored_models(self, name: str) -> list[str]:
        """Return the ids of the logged models that the artifact store has a folder of, in the experiment `name`."""
        with self.asking(f"list the models that are stored for {name}"):
            experiment = self.records.experiment(name)
            if experiment is None:
                return []
            return self.files_at(f"{experiment.location.rstrip('/')}/models").names(folders=True)

    def logged_models(self, name: str) -> set[str]:
        """Return the ids of the logged models that have a row in the experiment `name`, deleted ones left out."""
        with self.asking(f"list the logged models of {name}"):
            experiment = self.records.experiment(name)
            return self.records.logged_models(experiment.id) if experiment else set()

    def deleted_run(self, run_id: str) -> bool:
        """Say whether somebody deleted a run; one that MLflow does not know is not deleted but strange."""
        with self.asking(f"look up the run {run_id}"):
            return bool(run_id) and unless_it_is_gone(self.records.lifecycle, run_id) == "deleted"

    def knows_model(self, model_id: str) -> bool:
        """Say whether there is a row of a logged model, be it deleted."""
        with self.asking(f"look up the logged model {model_id}"):
            return self.records.knows_model(model_id)


def open_store(uri: str, environment: Mapping[str, str] = os.environ) -> Tracking:
    """Open the store at `uri`, with the variables that MLflow's client reads: by REST, its database, else that client.

    Raises:
        Unavailable: the store cannot be opened.
    """
    with _asking(without_credentials(uri), "be opened"):
        records, server = _reached(uri, environment)
        return Tracking(uri, records, FilePlaces(uri, server, environment))


def _reached(uri: str, environment: Mapping[str, str]) -> tuple[Records, Server | None]:
    if uri.startswith(("http://", "https://")):
        from registry.store import rest

        if rest.serves(environment):
            server = rest.server(uri, environment)
            return rest.RestRecords(server), server
    elif uri.startswith(DATABASES):
        from registry.store import database

        if rows := database.opened(uri, environment):
            return rows, None
    from registry.store import client

    return client.ClientRecords(client.opened(uri)), None


@contextlib.contextmanager
def _asking(where: str, what: str) -> Iterator[None]:
    try:
        yield
    except (SlipwayError, ModuleNotFoundError):  # a library that is missing is no matter of the store
        raise
    except Exception as error:  # SQLAlchemy, requests, botocore and OSError come through
        raise mlflow_errors.known(error, what, where) or Unavailable(
            f"MLflow at {where} could not {what}",
            found=without_credentials(_first_line(error)),
            hint=mlflow_errors.hint(error),
        ) from error


def _tolerating(code: str, call: Any, *arguments: Any, **named: Any) -> Any:
    """Call; an error of MLflow's with this code is none."""
    try:
        return call(*arguments, **named)
    except Exception as error:
        if getattr(error, "error_code", "") != code:
            raise
        return None


unless_it_exists = functools.partial(_tolerating, "RESOURCE_ALREADY_EXISTS")
unless_it_is_gone = functools.partial(_tolerating, NOT_THERE)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0][:300]}"

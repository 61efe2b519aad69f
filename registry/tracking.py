"""MLflow's registry: versions with their tags and aliases, and the files behind them.

Every call that fails (a dead server, a refused login, a full disk) comes
out as Unavailable with the store's address, without credentials in it; what
somebody deleted comes out as BadInput with the command that restores it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway import mlflow_errors
from slipway.errors import SlipwayError, Unavailable
from slipway.redaction import without_credentials

CHALLENGER, CHAMPION = "challenger", "champion"
KEY_TAG = "registration_key"


@dataclass(frozen=True)
class Version:
    """A registered version as MLflow has it."""

    name: str
    number: int
    run_id: str
    created: int
    tags: dict[str, str]
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Tracking:
    """An open MLflow store; `where` is its address for people."""

    uri: str
    client: Any = field(repr=False)

    @property
    def where(self) -> str:
        return without_credentials(self.uri)

    @contextlib.contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn whatever goes wrong inside into Unavailable; what somebody deleted in MLflow into BadInput."""
        try:
            yield
        except SlipwayError:
            raise
        except Exception as error:  # MLflow lets SQLAlchemy, requests, botocore and OSError through
            raise mlflow_errors.known(error, what, self.where) or Unavailable(
                f"MLflow at {self.where} could not {what}",
                found=without_credentials(_first_line(error)),
                hint=mlflow_errors.hint(error),
            ) from error

    def versions(self, name: str) -> list[Version]:
        """Return the versions of a model, oldest first; none where the model does not exist."""
        return self.registered(name).get(name, [])

    def registered(self, name: str | None = None) -> dict[str, list[Version]]:
        """Return the versions of every model, or of `name`, oldest first: two questions, however many there are."""
        where = None if name is None else f"name = '{name}'"
        with self.asking("list the versions of " + (name or "every model")):
            models = _pages(self.client.search_registered_models, where, 1000)
            versions = _pages(self.client.search_model_versions, where, 10_000)
        named: dict[tuple[str, int], list[str]] = {}
        for model in models:
            for alias, number in model.aliases.items():
                named.setdefault((model.name, int(number)), []).append(alias)
        found: dict[str, list[Version]] = {model.name: [] for model in models}
        for one in sorted(versions, key=lambda each: int(each.version)):
            aliases = tuple(sorted(named.get((one.name, int(one.version)), [])))
            version = Version(one.name, int(one.version), one.run_id, one.creation_timestamp, dict(one.tags), aliases)
            found.setdefault(one.name, []).append(version)
        return found

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
            unless_it_is_gone(self.client.set_registered_model_alias, name, alias, str(number))

    def delete_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        with self.asking(f"delete the alias {alias} of {name}"):
            self.client.delete_registered_model_alias(name, alias)

    def tag_version(self, name: str, number: int, key: str, value: str) -> None:
        """Set one tag of a version."""
        with self.asking(f"tag version {number} of {name}"):
            self.client.set_model_version_tag(name, str(number), key, value)

    def untag_version(self, name: str, number: int, key: str) -> None:
        """Take one tag from a version."""
        with self.asking(f"untag version {number} of {name}"):
            self.client.delete_model_version_tag(name, str(number), key)

    def delete_version(self, name: str, number: int) -> None:
        """Delete a version, unless it is gone already."""
        with self.asking(f"delete version {number} of {name}"):
            unless_it_is_gone(self.client.delete_model_version, name, str(number))

    def download(self, version: Version, file: str, folder: Path) -> Path:
        """Download one file of a version; the caller verifies it."""
        from mlflow.artifacts import download_artifacts

        source = f"models:/{version.name}/{version.number}/{file}"
        with self.asking(f"deliver {file} of {version.name} version {version.number}"):
            return Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=self.uri))

    def files(self, version: Version) -> list[str]:
        """Return the names of the files that the artifact store lists of a version."""
        from mlflow.artifacts import list_artifacts

        with self.asking(f"list the files of {version.name} version {version.number}"):
            found = list_artifacts(f"models:/{version.name}/{version.number}", tracking_uri=self.uri)
            return [one.path for one in found if not one.is_dir]

    def upload(self, version: Version, folder: Path) -> None:
        """Put the files of a folder beside the files of a version."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with self.asking(f"store files of {version.name} version {version.number}"):
            source = self.client.get_model_version_download_uri(version.name, str(version.number))
            store: Any = get_artifact_repository(source, tracking_uri=self.uri)
            store.log_artifacts(str(folder))

    def stored_models(self, name: str) -> list[str]:
        """Return the ids of the logged models that the artifact store has a folder of, in the experiment `name`."""
        from mlflow.artifacts import list_artifacts

        with self.asking(f"list the models that are stored for {name}"):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return []
            found = list_artifacts(f"{experiment.artifact_location.rstrip('/')}/models", tracking_uri=self.uri)
            return [one.path.rpartition("/")[2] for one in found if one.is_dir]

    def logged_models(self, name: str) -> set[str]:
        """Return the ids of the logged models that have a row in the experiment `name`, deleted ones left out."""
        with self.asking(f"list the logged models of {name}"):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is None:
                return set()
            search = functools.partial(self.client.search_logged_models, [experiment.experiment_id])
            return {one.model_id for one in _pages(search, None, 100)}

    def deleted_run(self, run_id: str) -> bool:
        """Say whether somebody deleted a run; one that MLflow does not know is not deleted but strange."""
        with self.asking(f"look up the run {run_id}"):
            run = unless_it_is_gone(self.client.get_run, run_id) if run_id else None
            return run is not None and run.info.lifecycle_stage == "deleted"

    def knows_model(self, model_id: str) -> bool:
        """Say whether there is a row of a logged model, be it deleted."""
        rows = self.client._tracking_client.store  # the client itself cannot ask for deleted ones
        with self.asking(f"look up the logged model {model_id}"):
            return unless_it_is_gone(rows.get_logged_model, model_id, allow_deleted=True) is not None


def open_store(uri: str) -> Tracking:
    """Open the store at `uri`; nothing is asked of it yet but that it can be opened."""
    import mlflow

    for noisy in ("mlflow", "alembic"):  # after the import, which sets levels of its own
        logging.getLogger(noisy).setLevel(logging.ERROR)

    opened = Tracking(uri, None)
    with opened.asking("be opened"):
        # A version's source is looked up in the global store, so it must be the same one.
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        return Tracking(uri, mlflow.MlflowClient(uri))


def _pages(search: Any, where: str | None, size: int) -> list[Any]:
    found = page = search(filter_string=where, max_results=size)
    while page.token:
        page = search(filter_string=where, max_results=size, page_token=page.token)
        found = [*found, *page]
    return list(found)


def _tolerating(code: str, call: Any, *arguments: Any, **named: Any) -> Any:
    """Call; an error of MLflow's with this code is none."""
    from mlflow.exceptions import MlflowException

    try:
        return call(*arguments, **named)
    except MlflowException as error:
        if error.error_code != code:
            raise
        return None


unless_it_exists = functools.partial(_tolerating, "RESOURCE_ALREADY_EXISTS")
unless_it_is_gone = functools.partial(_tolerating, "RESOURCE_DOES_NOT_EXIST")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0][:300]}"

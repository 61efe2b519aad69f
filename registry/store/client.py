"""MLflow's own client: what creates versions and runs, and reaches what REST and the database here do not serve.

Importing it takes seconds, so nothing else imports it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from registry.store.records import NOT_THERE, Alias, Experiment, Version, by_model

MOST_MODELS, MOST_VERSIONS, MOST_LOGGED_MODELS = 1000, 10_000, 100  # what MLflow returns at a time


def opened(uri: str) -> Any:
    """Return MLflow's client of the store at `uri`, which is made where it is a database that is empty."""
    import mlflow

    for noisy in ("mlflow", "alembic"):  # after the import, which sets levels of its own
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # A version's source is looked up in the global store, so it must be the same one.
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri)


@dataclass(frozen=True)
class ClientRecords:
    """The records as MLflow's client returns them."""

    client: Any

    def versions(self, name: str | None) -> dict[str, list[Version]]:
        where = None if name is None else f"name = '{name}'"
        models = pages(self.client.search_registered_models, where, MOST_MODELS)
        rows = pages(self.client.search_model_versions, where, MOST_VERSIONS)
        return by_model(
            [model.name for model in models],
            [Alias(model.name, alias, int(number)) for model in models for alias, number in model.aliases.items()],
            [
                Version(row.name, int(row.version), row.run_id, row.creation_timestamp, dict(row.tags), ())
                for row in rows
            ],
        )

    def set_alias(self, name: str, alias: str, number: int) -> None:
        self.client.set_registered_model_alias(name, alias, str(number))

    def delete_alias(self, name: str, alias: str) -> None:
        self.client.delete_registered_model_alias(name, alias)

    def set_tag(self, name: str, number: int, key: str, value: str) -> None:
        self.client.set_model_version_tag(name, str(number), key, value)

    def delete_tag(self, name: str, number: int, key: str) -> None:
        self.client.delete_model_version_tag(name, str(number), key)

    def location(self, name: str, number: int) -> str:
        return str(self.client.get_model_version_download_uri(name, str(number)))

    def lifecycle(self, run_id: str) -> str:
        return str(self.client.get_run(run_id).info.lifecycle_stage)

    def experiment(self, name: str) -> Experiment | None:
        row = self.client.get_experiment_by_name(name)
        return None if row is None else Experiment(str(row.experiment_id), str(row.artifact_location))

    def logged_models(self, experiment_id: str) -> set[str]:
        def search(**named: Any) -> Any:
            return self.client.search_logged_models([experiment_id], **named)

        return {row.model_id for row in pages(search, None, MOST_LOGGED_MODELS)}

    def knows_model(self, model_id: str) -> bool:
        rows = self.client._tracking_client.store  # the client itself cannot ask for deleted ones
        try:
            return rows.get_logged_model(model_id, allow_deleted=True) is not None
        except Exception as error:
            if getattr(error, "error_code", "") != NOT_THERE:
                raise
            return False


def pages(search: Any, where: str | None, size: int) -> list[Any]:
    """Return every row of a search of MLflow's client, `size` at a time."""
    page = search(filter_string=where, max_results=size)
    rows = list(page)
    while page.token:
        page = search(filter_string=where, max_results=size, page_token=page.token)
        rows += page
    return rows

"""The records in MLflow's own database, read and written by the one schema that is known here.

Another schema, be it older or newer, is left to MLflow's client, which brings it up to date or refuses it. Only what
the release path changes is written: tags of versions and aliases. Everything else is MLflow's to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from registry.store.records import NOT_THERE, Alias, Experiment, Refusal, Version, by_model

REVISION = "dc11669786a5"  # MLflow 3.17's, as `alembic_version` has it
WORKSPACE = "default"
BUSY_SECONDS = 30  # another process writes an SQLite file
UNSEEN = "Deleted_Internal"  # the stage of a version that MLflow keeps and shows nobody
PROMPT = "mlflow.prompt.is_prompt"
# What only MLflow's own store does.
OWN_CLIENT = ("MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(each) for each in columns))


REVISIONS = _table("alembic_version", "version_num")
MODELS = _table("registered_models", "workspace", "name")
MODEL_TAGS = _table("registered_model_tags", "workspace", "name", "key", "value")
ALIASES = _table("registered_model_aliases", "workspace", "name", "alias", "version")
VERSIONS = _table(
    "model_versions", "workspace", "name", "version", "run_id", "creation_time", "current_stage", "source",
    "storage_location",
)  # fmt: skip
TAGS = _table("model_version_tags", "workspace", "name", "version", "key", "value")
RUNS = _table("runs", "run_uuid", "lifecycle_stage")
EXPERIMENTS = _table("experiments", "experiment_id", "name", "artifact_location", "workspace")
LOGGED_MODELS = _table("logged_models", "model_id", "experiment_id", "lifecycle_stage")


def opened(uri: str, environment: Mapping[str, str]) -> DatabaseRecords | None:
    """Return the records of the database at `uri`; None where only MLflow's client can open it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer.
    """
    if any(environment.get(name) for name in OWN_CLIENT):
        return None
    file = sa.make_url(uri).database if uri.startswith("sqlite") else None
    if file and not Path(file).exists():
        return None  # MLflow makes it, and the folders above it
    patience = {"connect_args": {"timeout": BUSY_SECONDS}} if file else {}
    engine = sa.create_engine(uri, poolclass=NullPool, **patience)
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(REVISIONS.name):
            return None
        revisions = connection.execute(sa.select(REVISIONS.c.version_num)).scalars().all()
        elsewhere = sa.select(sa.func.count()).select_from(MODELS).where(MODELS.c.workspace != WORKSPACE)
        known = list(revisions) == [REVISION] and not connection.execute(elsewhere).scalar_one()
    return DatabaseRecords(engine) if known else None


@dataclass(frozen=True)
class DatabaseRecords:
    """The records as rows of MLflow's tables."""

    engine: sa.Engine

    def versions(self, name: str | None) -> dict[str, list[Version]]:
        with self.engine.connect() as connection:
            models = connection.execute(_of(name, MODELS).where(~_prompts(MODELS))).all()
            aliases = connection.execute(_of(name, ALIASES)).all()
            seen = VERSIONS.c.current_stage != UNSEEN
            rows = connection.execute(_of(name, VERSIONS).where(seen, ~_prompts(VERSIONS))).all()
            tagged = connection.execute(_of(name, TAGS)).all()
        tags: dict[tuple[str, int], dict[str, str]] = {}
        for tag in tagged:
            tags.setdefault((tag.name, tag.version), {})[tag.key] = tag.value
        return by_model(
            [model.name for model in models],
            [Alias(each.name, each.alias, each.version) for each in aliases],
            [
                Version(row.name, row.version, row.run_id, row.creation_time, tags.get((row.name, row.version), {}), ())
                for row in rows
            ],
        )

    def set_alias(self, name: str, alias: str, number: int) -> None:
        with self.engine.begin() as connection:
            _version(connection, name, number)
            _put(connection, ALIASES, {"name": name, "alias": alias}, {"version": number})

    def delete_alias(self, name: str, alias: str) -> None:
        with self.engine.begin() as connection:
            if connection.execute(_of(name, MODELS)).first() is None:
                raise Refusal(NOT_THERE, f"Registered Model with name={name} not found")
            connection.execute(sa.delete(ALIASES).where(*_is(ALIASES, {"name": name, "alias": alias})))

    def set_tag(self, name: str, number: int, key: str, value: str) -> None:
        with self.engine.begin() as connection:
            _version(connection, name, number)
            _put(connection, TAGS, {"name": name, "version": number, "key": key}, {"value": value})

    def delete_tag(self, name: str, number: int, key: str) -> None:
        with self.engine.begin() as connection:
            _version(connection, name, number)
            connection.execute(sa.delete(TAGS).where(*_is(TAGS, {"name": name, "version": number, "key": key})))

    def location(self, name: str, number: int) -> str:
        with self.engine.connect() as connection:
            row = _version(connection, name, number)
            return str(row.storage_location or row.source)

    def lifecycle(self, run_id: str) -> str:
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(RUNS).where(RUNS.c.run_uuid == run_id)).first()
        if row is None:
            raise Refusal(NOT_THERE, f"Run with id={run_id} not found")
        return str(row.lifecycle_stage)

    def experiment(self, name: str) -> Experiment | None:
        with self.engine.connect() as connection:
            row = connection.execute(_of(name, EXPERIMENTS)).first()
        return Experiment(str(row.experiment_id), str(row.artifact_location)) if row else None

    def logged_models(self, experiment_id: str) -> set[str]:
        active = LOGGED_MODELS.c.experiment_id == int(experiment_id), LOGGED_MODELS.c.lifecycle_stage == "active"
        with self.engine.connect() as connection:
            return set(connection.execute(sa.select(LOGGED_MODELS.c.model_id).where(*active)).scalars())

    def knows_model(self, model_id: str) -> bool:
        with self.engine.connect() as connection:
            query = sa.select(LOGGED_MODELS.c.model_id).where(LOGGED_MODELS.c.model_id == model_id)
            return connection.execute(query).first() is not None


def _of(name: str | None, table: sa.TableClause) -> sa.Select[Any]:
    return sa.select(table).where(*_is(table, {} if name is None else {"name": name}))


def _is(table: sa.TableClause, key: Mapping[str, str | int]) -> list[sa.ColumnElement[bool]]:
    return [table.c[column] == value for column, value in {"workspace": WORKSPACE, **key}.items()]


def _prompts(table: sa.TableClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row is of a prompt: MLflow keeps those among the models."""
    prompts = sa.select(MODEL_TAGS.c.name).where(*_is(MODEL_TAGS, {"key": PROMPT, "value": "true"}))
    if table is VERSIONS:
        prompts = sa.select(TAGS.c.name).where(*_is(TAGS, {"key": PROMPT, "value": "true"}))
    return table.c.name.in_(prompts)


def _version(connection: sa.Connection, name: str, number: int) -> sa.Row[Any]:
    condition = VERSIONS.c.version == number, VERSIONS.c.current_stage != UNSEEN
    row = connection.execute(_of(name, VERSIONS).where(*condition)).first()
    if row is None:
        raise Refusal(NOT_THERE, f"Model Version (name={name}, version={number}) not found")
    return row


def _put(
    connection: sa.Connection, table: sa.TableClause, key: Mapping[str, str | int], values: Mapping[str, str | int]
) -> None:
    if not connection.execute(sa.update(table).where(*_is(table, key)).values(**values)).rowcount:
        connection.execute(sa.insert(table).values(workspace=WORKSPACE, **key, **values))

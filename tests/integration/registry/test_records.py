"""What REST and the database answer is what MLflow's own client answers, and what they write is what it reads."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from registry.store.client import ClientRecords, opened
from registry.store.database import DatabaseRecords
from registry.store.records import Experiment, Records
from registry.store.rest import RestRecords
from registry.tracking import Tracking, open_store
from slipway.errors import Unavailable
from tests.fixtures.mlflow_server import serving_mlflow
from tests.fixtures.registered import uploaded
from tests.integration.registry.conftest import Store

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")


@dataclass(frozen=True)
class Filled:
    """A store with two versions of `tiny`, a prompt, a model without versions, a deleted run and a deleted model."""

    tracking: Tracking
    own: ClientRecords
    run: str
    deleted_run: str
    model_id: str
    deleted_model: str


def fill(uri: str, artifacts: str | None) -> Filled:
    client: Any = opened(uri)
    client.search_registered_models()  # MLflow makes the tables
    tracking = open_store(uri)
    run, model_id = uploaded(tracking, "tiny", artifacts=artifacts)
    gone, deleted = uploaded(tracking, "tiny", artifacts=artifacts)
    client.create_model_version("tiny", f"models:/{model_id}", run_id=run, tags={"a": "1", "ä": "ö"}, model_id=model_id)
    client.create_model_version("tiny", f"models:/{deleted}", run_id=gone, model_id=deleted)
    client.create_model_version("tiny", "s3://nowhere/model")
    client.create_model_version("tiny", "s3://nowhere/model")
    client.delete_model_version("tiny", "3")
    client.create_registered_model("bare")
    client.register_prompt("prompt", "Is {{ flight }} late?")
    client.set_registered_model_alias("tiny", "challenger", "2")
    client.delete_logged_model(deleted)
    client.delete_run(gone)
    return Filled(tracking, ClientRecords(client), run, gone, model_id, deleted)


LONG = [pytest.param(kind, marks=pytest.mark.long) for kind in ("PostgreSQL and S3", "server")]


@pytest.fixture(scope="module", params=["SQLite", *LONG])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder = tmp_path_factory.mktemp("filled")
    if request.param == "PostgreSQL and S3":
        s3 = request.getfixturevalue("s3")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.environment().items():
                patch.setenv(name, value)
            yield fill(new_database(request.getfixturevalue("postgres")), f"s3://{s3.bucket}/records")
        return
    store, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
    shutil.copy(request.getfixturevalue("template") / "mlflow.db", folder / "mlflow.db")
    if request.param == "SQLite":
        yield fill(store, artifacts)
    else:
        with serving_mlflow(store, artifacts, folder / "server.log") as url:
            yield fill(url, None)


def new_database(postgres: str) -> str:
    with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE DATABASE records")
    return postgres.replace("/postgres?", "/records?")


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(Exception, match=r"\w") as refused:
        call()
    return str(getattr(refused.value, "error_code", ""))


def test_each_question_has_the_answer_of_mlflows_own_client(filled: Filled) -> None:
    ours: Records = filled.tracking.records
    own = filled.own
    assert not isinstance(ours, ClientRecords)
    for name in ("tiny", "bare", "prompt", "nobody", None):
        assert ours.versions(name) == own.versions(name), name
    assert set(ours.versions(None)) == {"tiny", "bare"}
    assert [ours.location("tiny", number) for number in (1, 2)] == [own.location("tiny", number) for number in (1, 2)]
    assert ours.lifecycle(filled.run) == "active"
    assert ours.lifecycle(filled.deleted_run) == "deleted"
    assert ours.experiment("tiny") == own.experiment("tiny")
    assert isinstance(ours.experiment("tiny"), Experiment)
    assert ours.experiment("nobody") is None
    experiment = own.experiment("tiny")
    assert experiment is not None
    assert ours.logged_models(experiment.id) == own.logged_models(experiment.id) == {filled.model_id}
    for known in (filled.model_id, filled.deleted_model, "m-" + "0" * 32):
        assert ours.knows_model(known) == own.knows_model(known), known


def test_what_is_written_is_read_by_mlflows_own_client(filled: Filled) -> None:
    ours, own = filled.tracking.records, filled.own
    for number in (1, 2, 1):
        ours.set_alias("tiny", "champion", number)
        assert [row.number for row in own.versions("tiny")["tiny"] if "champion" in row.aliases] == [number]
    ours.delete_alias("tiny", "challenger")
    ours.delete_alias("tiny", "nobody")
    ours.set_tag("tiny", 1, "rejected", "wrong on Mondays")
    ours.set_tag("tiny", 1, "a", "2 'quoted' ü")
    ours.delete_tag("tiny", 1, "ä")
    ours.delete_tag("tiny", 1, "nothing")
    version = own.versions("tiny")["tiny"][0]
    assert version.aliases == ("champion",)
    assert version.tags == {"a": "2 'quoted' ü", "rejected": "wrong on Mondays"}


def test_what_is_refused_is_refused_by_the_same_word(filled: Filled) -> None:
    for records in (filled.own, filled.tracking.records):
        assert {
            refusal(lambda to=records: to.set_alias("tiny", "champion", 3)),  # type: ignore[misc]
            refusal(lambda to=records: to.set_tag("tiny", 3, "a", "b")),  # type: ignore[misc]
            refusal(lambda to=records: to.delete_tag("tiny", 9, "a")),  # type: ignore[misc]
            refusal(lambda to=records: to.delete_alias("nobody", "champion")),  # type: ignore[misc]
            refusal(lambda to=records: to.location("tiny", 3)),  # type: ignore[misc]
            refusal(lambda to=records: to.lifecycle("0" * 32)),  # type: ignore[misc]
        } == {"RESOURCE_DOES_NOT_EXIST"}, records


def test_files_are_listed_and_delivered(filled: Filled, tmp_path: Path) -> None:
    version = filled.tracking.versions("tiny")[0]
    names = filled.tracking.files(version)
    assert {"model.onnx", "schema.json", "golden.json"} <= set(names)
    file = filled.tracking.download(version, "schema.json", tmp_path)
    assert file.read_bytes() == (Path(__file__).parents[2] / "fixtures/flight-delay/schema.json").read_bytes()
    assert filled.model_id in filled.tracking.stored_models("tiny")
    assert filled.tracking.stored_models("nobody") == []
    with pytest.raises(Unavailable, match="could not deliver nothing"):
        filled.tracking.download(version, "nothing.json", tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = 'f5a4f2784254'",
        "DROP TABLE alembic_version",
        "UPDATE registered_models SET workspace = 'other'",
    ],
)
def test_another_schema_is_left_to_mlflows_own_client(store: Store, change: str) -> None:
    from registry.store import database

    assert isinstance(database.opened(store.uri, {}), DatabaseRecords)
    assert database.opened(store.uri, {"MLFLOW_WORKSPACE": "other"}) is None
    with contextlib.closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as connection:
        connection.execute("INSERT INTO registered_models (workspace, name) VALUES ('default', 'tiny')")
        connection.execute(change)
        connection.commit()
    assert database.opened(store.uri, {}) is None


def test_what_only_mlflows_own_client_sends_is_left_to_it() -> None:
    plain = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    assert isinstance(open_store("http://127.0.0.1:9", plain).records, RestRecords)
    for name in ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4", "MLFLOW_WORKSPACE"):
        assert isinstance(open_store("http://127.0.0.1:9", {name: "true"}).records, ClientRecords), name

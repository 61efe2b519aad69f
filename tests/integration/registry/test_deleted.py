"""What people delete, restore and rename in MLflow's page, and what each command says of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from registry import logged_model, stored
from slipway.errors import BadInput, SlipwayError
from tests.fixtures.registered import uploaded
from tests.integration.registry.conftest import Store

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning"),
]


def type_it(hint: str | None) -> None:
    """Type the command of an error's next step."""
    command = str(hint).partition(", then")[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = shlex.split(command)
    settings = dict(word.split("=", 1) for word in words if word.startswith("MLFLOW_"))
    rest = [word for word in words if not word.startswith("MLFLOW_")]
    subprocess.run(rest, env=os.environ | settings | {"PATH": path}, check=True, capture_output=True, timeout=90)


def test_a_deleted_experiment_is_named_with_the_command_that_restores_it(root: Path, store: Store) -> None:
    tracking = store.open()
    experiment = logged_model.prepare(tracking, "tiny", store.artifacts)
    tracking.client.delete_experiment(experiment)
    with pytest.raises(BadInput, match="experiment tiny was deleted") as caught:
        store.register(root)
    assert f"mlflow experiments restore --experiment-id {experiment}" in str(caught.value.hint)
    type_it(caught.value.hint)
    assert store.register(root).version.number == 1


@pytest.mark.long
def test_one_deleted_while_a_version_is_registered_is_named_too(root: Path, store: Store) -> None:
    tracking = store.open()
    experiment = logged_model.prepare(tracking, "tiny", store.artifacts)

    def delete(step: str) -> None:
        if step == "storing the model":
            tracking.client.delete_experiment(experiment)

    for say in (delete, lambda _: None):  # MLflow deletes the runs with their experiment, and says so of the run first
        with pytest.raises(BadInput, match="deleted in MLflow") as caught:
            store.register(root, say=say)
        type_it(caught.value.hint)
    done = store.register(root)
    assert [len(found) for found in store.everything("tiny")] == [1, 1]
    assert done.created


def test_a_version_whose_run_was_deleted_may_lose_its_files_and_says_so(root: Path, store: Store) -> None:
    tracking = store.open()
    run, model_id = uploaded(tracking, "tiny", artifacts=store.artifacts)
    from tests.fixtures.registered import digests

    tracking.create_version("tiny", run, model_id, digests())
    (version,) = tracking.versions("tiny")
    assert stored.whole(tracking, version).passed is True
    tracking.client.delete_run(run)
    answer = stored.whole(tracking, version)
    assert answer.passed is False
    assert f"mlflow runs restore --run-id {run}" in answer.reason
    type_it(answer.reason.rpartition("; ")[2])
    assert stored.whole(tracking, version).passed is True


@pytest.mark.long
def test_a_renamed_experiment_gets_a_successor_and_the_versions_stay(root: Path, store: Store) -> None:
    first = store.register(root)
    tracking = store.open()
    tracking.client.rename_experiment(tracking.client.get_experiment_by_name("tiny").experiment_id, "of-old")
    again = store.register(root)
    assert (again.created, again.version.number) == (False, first.version.number)
    assert stored.whole(tracking, again.version).passed is True
    assert stored.unowned(tracking, "tiny") == []


@pytest.mark.long
def test_a_deleted_model_is_registered_again(root: Path, store: Store) -> None:
    first = store.register(root)
    store.open().client.delete_registered_model("tiny")
    again = store.register(root)
    assert (again.created, again.version.number) == (True, 1)
    assert again.version.run_id != first.version.run_id


def test_what_was_deleted_between_two_looks_is_not_a_store_that_is_down(store: Store) -> None:
    tracking = store.open()
    logged_model.prepare(tracking, "tiny", store.artifacts)
    for write, words in ((tracking.tag_version, ("tiny", 4, "a", "b")), (tracking.delete_alias, ("gone", "champion"))):
        with pytest.raises(SlipwayError, match="not found") as caught:
            write(*words)
        assert "slipway versions" in str(caught.value.hint)
        assert "store is up" not in str(caught.value.hint)

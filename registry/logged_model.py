"""What a version is made of in MLflow: the experiment, the run, the logged model and its files.

Owns what `slipway register` writes before there is a version, and what it takes back. Raises as Tracking does.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from registry.tracking import KEY_TAG, Tracking, unless_it_exists, unless_it_is_gone
from slipway import mlflow_errors

MOST_PARAMS, LONGEST_PARAM = 100, 6000  # what MLflow takes: at a time, and characters of one


@dataclass(frozen=True)
class Dataset:
    """A table that the run used, by DVC's digest."""

    name: str
    path: str
    md5: str
    context: str


def prepare(tracking: Tracking, name: str, artifact_root: str | None) -> str:
    """Make sure that the model and its experiment exist; return the experiment's id.

    Raises:
        BadInput: the experiment was deleted; MLflow keeps its name until it is restored or purged.
    """
    location = f"{artifact_root.rstrip('/')}/{name}" if artifact_root else None
    with tracking.asking(f"prepare the experiment {name}"):
        unless_it_exists(tracking.client.create_registered_model, name)
        experiment = tracking.client.get_experiment_by_name(name)
        if experiment is None:
            unless_it_exists(tracking.client.create_experiment, name, artifact_location=location)
            experiment = tracking.client.get_experiment_by_name(name)
        if experiment.lifecycle_stage == "deleted":
            raise mlflow_errors.deleted("experiment", experiment.experiment_id, tracking.where, name)
        return str(experiment.experiment_id)


def start_run(tracking: Tracking, experiment: str, tags: dict[str, str], datasets: list[Dataset]) -> str:
    """Open a run with its tags and datasets; return its id."""
    from mlflow.entities import Dataset as Entity
    from mlflow.entities import DatasetInput, InputTag

    with tracking.asking("start a run"):
        run = tracking.client.create_run(experiment, tags=tags, run_name=f"register-{tags['git_commit'][:8]}")
        inputs = [
            DatasetInput(
                Entity(one.name, one.md5, "local", f'{{"uri": "{one.path}"}}'),
                [InputTag("mlflow.data.context", one.context)],
            )
            for one in datasets
        ]
        tracking.client.log_inputs(run.info.run_id, inputs)
        return str(run.info.run_id)


def start_model(
    tracking: Tracking, experiment: str, run_id: str, name: str, params: dict[str, str], kind: str = "classifier"
) -> str:
    """Open a logged model as the run's output; return its id."""
    from mlflow.entities import LoggedModelOutput

    with tracking.asking("create the logged model"):
        model = tracking.client.create_logged_model(
            experiment, name=name, source_run_id=run_id, params=params, model_type=kind
        )
        tracking.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return str(model.model_id)


def upload_model(tracking: Tracking, model_id: str, folder: Path) -> None:
    """Upload the model's files and mark it ready."""
    with tracking.asking("store the model's files"):
        tracking.client.log_model_artifacts(model_id, str(folder))
        tracking.client.finalize_logged_model(model_id, "READY")


def log(
    tracking: Tracking, run_id: str, model_id: str, values: dict[str, float], params: dict[str, str], test: Dataset
) -> None:
    """Log parameters and metrics, the metrics also on the model and its test rows."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, 0, model_id, test.name, test.md5, run_id) for key, value in sorted(values.items())
    ]
    with tracking.asking("log parameters and metrics"):
        pairs = [Param(key, value[:LONGEST_PARAM]) for key, value in sorted(params.items())]
        for start in range(0, len(pairs), MOST_PARAMS):
            tracking.client.log_batch(run_id, params=pairs[start : start + MOST_PARAMS])
        tracking.client.log_batch(run_id, metrics=metrics)


def finish_run(tracking: Tracking, run_id: str, folder: Path) -> None:
    """Upload the run's files and end it."""
    with tracking.asking("store the run's files"):
        tracking.client.log_artifacts(run_id, str(folder))
        tracking.client.set_terminated(run_id, "FINISHED")


def delete_other_runs(tracking: Tracking, experiment: str, key: str, keep: str) -> int:
    """Delete the runs of this key but one, with their logged models; return how many."""
    with tracking.asking("delete unfinished runs"):
        runs = tracking.client.search_runs([experiment], f"tags.{KEY_TAG} = '{key}'")
        others = [run.info.run_id for run in runs if run.info.run_id != keep]
        for run_id in others:
            found = tracking.client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
            for model in found:
                unless_it_is_gone(tracking.client.delete_logged_model, model.model_id)
            unless_it_is_gone(tracking.client.delete_run, run_id)
    return len(others)

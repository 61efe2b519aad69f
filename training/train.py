"""Stage 4: fit the Pipeline and write the model.

Owns model/. The same rows and parameters give the same bytes: seeds and thread
count come from params.yaml. Refuses a label of one class and an estimator that
ONNX cannot express; nothing of the old model is touched until all of the new
one is made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import artifact
from slipway.atomic import write_bytes, write_json
from slipway.task import Task
from training import contract, convert, declared, graph, pipeline, schema, tasks, threads
from training.contract import Target
from training.layout import CONTRACT, LABEL, MODEL, PREPARED
from training.params import Params, load
from training.stage import run

UNDECLARED = Target()


@dataclass(frozen=True)
class Trained:
    """A fitted Pipeline and its task; `held` and `held_target` are the rows that the fit has not seen, if any."""

    model: Pipeline
    task: Task
    held: pd.DataFrame | None = None
    held_target: np.ndarray | None = None


def fit(params: Params, rows: pd.DataFrame, target: Target = UNDECLARED) -> Trained:
    """Fit the Pipeline of params.yaml on prepared rows, for the target of the contract.

    Raises:
        BadInput: the target is not the task's, or the estimator cannot be made or fitted.
    """
    kind = tasks.of(target.name)
    pipeline.build(params.train, family=kind.FAMILY)  # a wrong name is an error before the rows are read
    task = kind.declare(target, params.train, rows[LABEL])
    numbers = task.targets(rows[LABEL].to_numpy())
    with threads.limited(params.train.threads):
        model, task, held = kind.fit(task, params, rows, numbers)
    return Trained(model, task) if held is None else Trained(model, task, rows[held], numbers[held])


def save(params: Params, trained: Trained, rows: pd.DataFrame, target: Path = MODEL) -> None:
    """Write model.onnx, model.skops, schema.json and golden.json."""
    task = trained.task
    onnx = convert.to_onnx(trained.model, task)
    kept = convert.to_skops(trained.model)
    session = graph.session(onnx)
    if trained.held is not None and trained.held_target is not None:
        answers = graph.predict(session, trained.held, task)
        task = tasks.of(task.name).settle(task, trained.held_target, answers)
    chosen = rows.iloc[schema.golden_positions(len(rows))]
    golden = schema.golden(chosen, graph.predict(session, chosen, task), task)
    described = schema.contract(params, rows, task)
    for warning in schema.warnings(described):
        print(f"train: warning: {warning}", flush=True)
    write_bytes(target / artifact.GRAPH, onnx)
    write_bytes(target / artifact.PIPELINE, kept)
    write_json(target / artifact.SCHEMA, described)
    write_json(target / artifact.GOLDEN, golden)


def main() -> None:
    """Train the model that params.yaml describes."""
    params = load()
    declared.refuse_wrong()
    rows = pd.read_parquet(PREPARED / "train.parquet")
    print(f"train: {params.train.estimator} on {len(rows):,} rows, {params.train.threads} threads", flush=True)
    started = time.monotonic()
    trained = fit(params, rows, contract.target(CONTRACT))
    print(f"train: fitted in {time.monotonic() - started:.1f} s", flush=True)
    save(params, trained, rows)
    written = MODEL / artifact.GRAPH
    print(f"train: {written.stat().st_size / 1e6:.1f} MB -> {written}")


if __name__ == "__main__":
    run(main)

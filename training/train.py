"""Stage 4: fit the Pipeline and write the model.

Owns model/. The same rows and parameters give the same bytes: seeds and thread
count come from params.yaml. Refuses a label of one class and an estimator that
ONNX cannot express; nothing of the old model is touched until all of the new
one is made.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline

from slipway import artifact
from slipway.atomic import write_bytes, write_json
from slipway.errors import BadInput
from training import convert, declared, graph, pipeline, schema, threads
from training.layout import LABEL, MODEL, PREPARED
from training.params import Params, load
from training.stage import run


def fit(params: Params, rows: pd.DataFrame) -> Pipeline:
    """Fit the Pipeline of params.yaml on prepared rows.

    Raises:
        BadInput: the label has one class, or the estimator cannot be made or fitted.
    """
    model = pipeline.build(params.train)
    classes = sorted(rows[LABEL].unique())
    if classes != [0, 1]:
        raise BadInput(
            "the label of the training rows has one class",
            expected="both 0 and 1",
            found=f"only {classes} in {len(rows):,} rows",
            hint="correct prepare in params.yaml",
        )
    with threads.limited(params.train.threads):
        return pipeline.fit(model, rows, rows[LABEL].to_numpy())


def save(params: Params, model: Pipeline, rows: pd.DataFrame, target: Path = MODEL) -> None:
    """Write model.onnx, model.skops, schema.json and golden.json."""
    onnx = convert.to_onnx(model)
    kept = convert.to_skops(model)
    chosen = rows.iloc[schema.golden_positions(len(rows))]
    golden = schema.golden(chosen, graph.predict(graph.session(onnx), chosen))
    described = schema.contract(params, rows)
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
    model = fit(params, rows)
    print(f"train: fitted in {time.monotonic() - started:.1f} s", flush=True)
    save(params, model, rows)
    graph = MODEL / artifact.GRAPH
    print(f"train: {graph.stat().st_size / 1e6:.1f} MB -> {graph}")


if __name__ == "__main__":
    run(main)

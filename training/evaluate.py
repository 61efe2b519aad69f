"""Stage 5: how good the model is, how sure that is, and whether the served graph is the trained one.

Owns reports/ but for validation. Scores the ONNX graph, since that is what is
served. Refuses a graph that does not answer as the scikit-learn model does.
Whether a model is good enough is not decided here but by the registry's gate.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from slipway.atomic import write_bytes, write_json
from slipway.errors import BadInput
from slipway.scores import Resamples, advantage, interval, resample, scores
from training import baselines, curves, graph, parity, pipeline, probing, problem, report, slices, threads
from training.layout import LABEL, MODEL, PREPARED, REPORTS
from training.params import Params, load
from training.stage import run

# What a baseline must lose on for the model to have beaten it.
BEATEN_ON = ("roc_auc", "log_loss")


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured, before anything is written."""

    metrics: dict[str, Any]
    slices: list[dict[str, Any]]
    parity: dict[str, Any]
    predictions: pd.DataFrame
    curves: dict[str, curves.Points]


def evaluate(params: Params, train: pd.DataFrame, test: pd.DataFrame, onnx: bytes, kept: bytes) -> Evaluation:
    """Measure the graph on the test rows, against the trained Pipeline and against the baselines.

    Raises:
        BadInput: the test rows have one class only.
        Refused: the graph and the Pipeline disagree.
    """
    _refuse_one_class(test)
    label = test[LABEL].to_numpy()
    session = graph.session(onnx)
    ours = graph.predict(session, test).astype(np.float64)
    agreed = _agreed(test, ours, session, _trained(kept))
    _say("climatology and logistic regression, to be beaten")
    named = {
        "climatology": baselines.climatology(train, test),
        "logistic_regression": baselines.logistic_regression(train, test),
    }
    _say(f"{params.evaluate.resamples:,} resamples of {test['block'].nunique()} {problem.BLOCKS}")
    drawn = resample(test["block"].to_numpy(), params.evaluate.resamples, params.evaluate.seed)
    metrics = _metrics(params, test, ours, named, drawn)
    _say("slices, curves, permutation importance")
    models = {"model": ours, **named}
    drawings = {
        "roc": curves.roc(label, models),
        "precision_recall": curves.precision_recall(label, models),
        "calibration": curves.calibration(label, models),
        "importance": curves.importance(test, lambda rows: graph.predict(session, rows), params.evaluate.seed),
    }
    return Evaluation(metrics, slices.table(test, ours), agreed, _predictions(test, ours, named), drawings)


def save(params: Params, measured: Evaluation, target: Path = REPORTS) -> None:
    """Write the reports, the plots' points and the page for people."""
    write_json(target / "metrics.json", measured.metrics)
    write_json(target / "slices.json", measured.slices)
    write_json(target / "parity.json", measured.parity)
    buffer = io.BytesIO()
    measured.predictions.to_parquet(buffer, index=False)
    write_bytes(target / "predictions.parquet", buffer.getvalue())
    for name, points in measured.curves.items():
        write_json(target / "plots" / f"{name}.json", points)
    page = report.render(params, measured.metrics, measured.slices, measured.parity, measured.curves)
    write_bytes(target / "report.html", page.encode())


def _metrics(
    params: Params, test: pd.DataFrame, ours: np.ndarray, named: dict[str, np.ndarray], drawn: Resamples
) -> dict[str, Any]:
    label, confidence = test[LABEL].to_numpy(), params.evaluate.confidence
    model = scores(label, ours, drawn)
    others = {}
    for name, probability in named.items():
        theirs = scores(label, probability, drawn)
        gains = {metric: interval(advantage(metric, model[metric], theirs[metric]), confidence) for metric in BEATEN_ON}
        others[name] = {
            "metrics": {metric: interval(draws, confidence) for metric, draws in theirs.items()},
            "difference": gains,
            "beaten": all(gain["low"] > 0 for gain in gains.values()),
        }
    return {
        "model": params.model.name,
        "estimator": params.train.estimator,
        "rows": len(test),
        "positives": int(label.sum()),
        "blocks": drawn.blocks,
        "confidence": confidence,
        "metrics": {metric: interval(draws, confidence) for metric, draws in model.items()},
        "baselines": others,
    }


def _predictions(test: pd.DataFrame, ours: np.ndarray, named: dict[str, np.ndarray]) -> pd.DataFrame:
    columns: dict[str, Any] = {"row_id": test["row_id"], "block": test["block"], "label": test[LABEL].astype(np.int8)}
    columns["probability"] = ours.astype(np.float32)
    columns |= {f"slice_{name}": values for name, values in slices.named(test).items()}
    columns |= {f"baseline_{name}": values for name, values in named.items()}
    return pd.DataFrame(columns)


def _agreed(test: pd.DataFrame, ours: np.ndarray, session: Any, model: Any) -> dict[str, Any]:
    """Compare the graph with the Pipeline on the test rows, then on rows that callers will send."""

    def served(rows: pd.DataFrame) -> np.ndarray:
        return graph.predict(session, rows).astype(np.float64)

    def trained(rows: pd.DataFrame) -> np.ndarray:
        return pipeline.positive(model, rows)

    theirs = trained(test)
    found = parity.compare(test[LABEL].to_numpy(), ours, theirs)
    if not found["passed"]:
        why = probing.cause(test, served, trained, int(np.argmax(np.abs(ours - theirs))))
        parity.refuse_broken(found, why.cause, why.hint)
    asked = probing.asked(test, served, trained)
    found |= {"asked_max_difference": asked.largest, "passed": asked.largest <= parity.MAX_DIFFERENCE}
    parity.refuse_broken(found, asked.cause)
    return found


def _trained(kept: bytes) -> Any:
    # The bytes are this pipeline's own output, one stage old; the registry trusts no file and has a list of types.
    return skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))


def _refuse_one_class(test: pd.DataFrame) -> None:
    if test[LABEL].nunique() != 2:
        raise BadInput(
            "the label of the test rows has one class",
            expected="both 0 and 1",
            found=f"only {sorted(test[LABEL].unique())} in {len(test):,} rows",
            hint="correct prepare.test in params.yaml",
        )


def _say(what: str) -> None:
    print(f"evaluate: {what}", flush=True)


def main() -> None:
    """Evaluate the model that the train stage wrote."""
    params = load()
    train, test = (pd.read_parquet(PREPARED / f"{split}.parquet") for split in ("train", "test"))
    with threads.limited(params.train.threads):
        measured = evaluate(
            params, train, test, (MODEL / "model.onnx").read_bytes(), (MODEL / "model.skops").read_bytes()
        )
    save(params, measured)
    for name, value in measured.metrics["metrics"].items():
        print(f"evaluate: {name:<18} {value['value']:.4f}  [{value['low']:.4f}, {value['high']:.4f}]")
    for name, other in measured.metrics["baselines"].items():
        print(f"evaluate: {name} {'beaten' if other['beaten'] else 'NOT beaten'}")
    print(f"evaluate: a page for people -> {REPORTS / 'report.html'}")


if __name__ == "__main__":
    run(main)

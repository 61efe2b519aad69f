"""Stage 5: how good the model is, how sure that is, and whether the served graph is the trained one.

Owns reports/ but for validation. Scores the ONNX graph, since that is what is
served. Refuses a graph that does not answer as the scikit-learn model does.
Whether a model is good enough is not decided here but by the registry's gate.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from slipway import artifact
from slipway import metrics as measures
from slipway import tasks as answers
from slipway.atomic import write_bytes, write_json
from slipway.scores import Resamples, interval, resample
from slipway.task import Task
from training import evaluation, graph, parity, probing, problem, report, slices, tasks, threads
from training.evaluation import Points, Test
from training.layout import LABEL, MODEL, PREPARED, REPORTS
from training.params import Params, load
from training.stage import run


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured, before anything is written."""

    metrics: dict[str, Any]
    slices: list[dict[str, Any]]
    parity: dict[str, Any]
    predictions: pd.DataFrame
    curves: dict[str, Points]


def evaluate(
    params: Params, train: pd.DataFrame, test: pd.DataFrame, onnx: bytes, kept: bytes, task: Task
) -> Evaluation:
    """Measure the graph on the test rows, against the trained Pipeline and against the baselines.

    Raises:
        BadInput: the test rows cannot tell models apart, or a target is not the task's.
        Refused: the graph and the Pipeline disagree.
    """
    kind = evaluation.of(task.name)
    labels = test[LABEL]
    train, test = (rows.assign(**{LABEL: task.targets(rows[LABEL].to_numpy())}) for rows in (train, test))
    target = test[LABEL].to_numpy()
    kind.refuse_test(test, target)
    session = graph.session(onnx)
    ours = graph.predict(session, test, task).astype(np.float64)
    agreed = _agreed(test, ours, session, _trained(kept), task)
    named = kind.baselines(task, train, test)
    _say(f"{' and '.join(named).replace('_', ' ')}, to be beaten")
    _say(f"{params.evaluate.resamples:,} resamples of {test['block'].nunique()} {problem.BLOCKS}")
    drawn = resample(test["block"].to_numpy(), params.evaluate.resamples, params.evaluate.seed)
    metrics = _metrics(params, task, test, ours, named, drawn)
    _say("slices, curves, permutation importance")
    measured = slices.table(test, lambda chosen: kind.measure(task, target[chosen], ours[chosen]))
    asked = Test(task, test, target, ours, named, lambda rows: graph.predict(session, rows, task), params.evaluate.seed)
    predictions = _predictions(test.assign(**{LABEL: labels}), task, ours, named)
    return Evaluation(metrics, measured, agreed, predictions, kind.drawings(asked))


def save(params: Params, task: Task, measured: Evaluation, target: Path = REPORTS) -> None:
    """Write the reports, the plots' points and the page for people."""
    write_json(target / "metrics.json", measured.metrics)
    write_json(target / "slices.json", measured.slices)
    write_json(target / "parity.json", measured.parity)
    buffer = io.BytesIO()
    measured.predictions.to_parquet(buffer, index=False)
    write_bytes(target / "predictions.parquet", buffer.getvalue())
    for name, points in measured.curves.items():
        write_json(target / "plots" / f"{name}.json", points)
    page = report.render(params, task, measured.metrics, measured.slices, measured.parity, measured.curves)
    write_bytes(target / "report.html", page.encode())


def _metrics(
    params: Params, task: Task, test: pd.DataFrame, ours: np.ndarray, named: dict[str, np.ndarray], drawn: Resamples
) -> dict[str, Any]:
    target, confidence, known = test[LABEL].to_numpy(), params.evaluate.confidence, measures.of(task)
    model = known.scores(task, target, ours, drawn)
    others = {}
    for name, given in named.items():
        theirs = known.scores(task, target, given, drawn)
        gains = {
            metric: interval(measures.advantage(known, metric, model[metric], theirs[metric]), confidence)
            for metric in known.BEATEN_ON
        }
        others[name] = {
            "metrics": {metric: interval(draws, confidence) for metric, draws in theirs.items()},
            "difference": gains,
            "beaten": all(gain["low"] > 0 for gain in gains.values()),
        }
    return {
        "model": params.model.name,
        "estimator": params.train.estimator,
        **({} if task.described() is None else {"task": task.described()}),
        "rows": len(test),
        **evaluation.of(task.name).counts(target),
        "blocks": drawn.blocks,
        "confidence": confidence,
        "metrics": {metric: interval(draws, confidence) for metric, draws in model.items()},
        "baselines": others,
    }


def _predictions(test: pd.DataFrame, task: Task, ours: np.ndarray, named: dict[str, np.ndarray]) -> pd.DataFrame:
    labels = test[LABEL] if task.described() is not None else test[LABEL].astype(np.int8)
    columns: dict[str, Any] = {"row_id": test["row_id"], "block": test["block"], LABEL: labels}
    columns[task.reported] = _column(ours.astype(np.float32))
    columns |= {f"slice_{name}": values for name, values in slices.named(test).items()}
    columns |= {f"baseline_{name}": _column(values) for name, values in named.items()}
    return pd.DataFrame(columns)


def _column(scores: np.ndarray) -> Any:
    """Return scores as a column of a table: a list a row where a row has several."""
    return scores if scores.ndim == 1 else list(scores)


def _agreed(test: pd.DataFrame, ours: np.ndarray, session: Any, model: Any, task: Task) -> dict[str, Any]:
    """Compare the graph with the Pipeline on the test rows, then on rows that callers will send."""
    kind = tasks.of(task.name)

    def served(rows: pd.DataFrame) -> np.ndarray:
        return graph.predict(session, rows, task).astype(np.float64)

    def trained(rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(kind.learned(task, model, rows))

    theirs = trained(test)
    found = parity.compare(ours, theirs, task, evaluation.of(task.name).agreement(test[LABEL].to_numpy(), ours, theirs))
    if not found["passed"]:
        worst = int(np.argmax(parity.gaps(ours, theirs)))
        why = probing.cause(test, served, trained, worst, task.tolerance)
        parity.refuse_broken(found, why.cause, why.hint)
    asked = probing.asked(test, served, trained)
    found |= {"asked_max_difference": asked.largest, "passed": asked.largest <= task.tolerance}
    parity.refuse_broken(found, asked.cause)
    return found


def _trained(kept: bytes) -> Any:
    # The bytes are this pipeline's own output, one stage old; the registry, which trusts nobody, has a list of types.
    return skops.io.loads(kept, trusted=skops.io.get_untrusted_types(data=kept))


def _say(what: str) -> None:
    print(f"evaluate: {what}", flush=True)


def main() -> None:
    """Evaluate the model that the train stage wrote."""
    params = load()
    described = json.loads((MODEL / artifact.SCHEMA).read_text(encoding="utf-8"))
    task = answers.read(described.get("task"), described["output"]["name"])
    train, test = (pd.read_parquet(PREPARED / f"{split}.parquet") for split in ("train", "test"))
    with threads.limited(params.train.threads):
        onnx, kept = ((MODEL / name).read_bytes() for name in (artifact.GRAPH, artifact.PIPELINE))
        measured = evaluate(params, train, test, onnx, kept, task)
    save(params, task, measured)
    for name, value in measured.metrics["metrics"].items():
        print(f"evaluate: {name:<18} {value['value']:.4f}  [{value['low']:.4f}, {value['high']:.4f}]")
    for name, other in measured.metrics["baselines"].items():
        print(f"evaluate: {name} {'beaten' if other['beaten'] else 'NOT beaten'}")
    print(f"evaluate: a page for people -> {REPORTS / 'report.html'}")


if __name__ == "__main__":
    run(main)

"""Runs graphs in processes of their own, beside other work; what crashes there is refused here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slipway import artifact, processes
from slipway.errors import BadInput
from slipway.scores import Floats

PATIENCE_SECONDS = 600  # a graph that has not answered by then is refused
RETRAIN = "dvc repro --force train"


@dataclass(frozen=True)
class Scored:
    """What a graph answered: `(n_rows, …)` scores of its task, and milliseconds of CPU time for one row."""

    answers: Floats
    latency_p99_ms: float


@dataclass(frozen=True)
class Running:
    """An inspection under way."""

    program: processes.Process
    subject: Path
    result: Path

    def stop(self) -> None:
        """End it, if it still runs."""
        self.program.stop()


def start_scoring(folder: Path, rows: Path, result: Path) -> Running:
    """Score `rows` with `folder`/model.onnx by `folder`/schema.json."""
    model = folder / artifact.GRAPH
    words = ("registry.graph", str(model), str(folder / artifact.SCHEMA), str(rows), str(result))
    return Running(_start(*words), model, result)


def refuse_own_rows(folder: Path) -> None:
    """Send `folder`/golden.json through the reader of the server.

    Raises:
        BadInput: the contract refuses a row that the model was trained on: every server would refuse the model.
    """
    contract, golden = folder / artifact.SCHEMA, folder / artifact.GOLDEN
    _finish(Running(_start("serving.inference.golden", str(contract), str(golden)), golden, golden))


def scored(running: Running) -> Scored:
    """Wait for the scores.

    Raises:
        BadInput: the graph was refused, crashed, or never answered.
    """
    _finish(running)
    with np.load(running.result, allow_pickle=False) as found:
        return Scored(found["answers"].astype(np.float64), float(found["latency_p99_ms"]))


def _start(module: str, *words: str) -> processes.Process:
    return processes.start(module, *words, isolated=True)


def _finish(running: Running) -> None:
    try:
        ended = running.program.wait(PATIENCE_SECONDS)
    except processes.NoAnswer as error:
        raise BadInput(
            f"{running.subject} is refused", expected=f"an answer within {PATIENCE_SECONDS} s", hint=RETRAIN
        ) from error
    if "thing" in ended.answer():
        raise ended.error(f"{running.subject} is refused", RETRAIN)
    if ended.code:
        raise BadInput(
            f"{running.subject} is refused", expected="a graph that runs", found=ended.reason(), hint=RETRAIN
        )

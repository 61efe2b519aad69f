"""Runs graphs in processes of their own, beside other work; what crashes there is refused here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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

    program: subprocess.Popen[str]
    subject: Path
    result: Path

    def stop(self) -> None:
        """End it, if it still runs."""
        self.program.kill()
        self.program.wait()


def start_scoring(folder: Path, rows: Path, result: Path) -> Running:
    """Score `rows` with `folder`/model.onnx by `folder`/schema.json."""
    model = folder / "model.onnx"
    words = ("registry.graph", str(model), str(folder / "schema.json"), str(rows), str(result))
    return Running(_start(*words), model, result)


def refuse_own_rows(folder: Path) -> None:
    """Send `folder`/golden.json through the reader of the server.

    Raises:
        BadInput: the contract refuses a row that the model was trained on: every server would refuse the model.
    """
    contract, golden = folder / "schema.json", folder / "golden.json"
    _refuse_error(_finish(Running(_start("serving.inference.golden", str(contract), str(golden)), golden, golden)))


def scored(running: Running) -> Scored:
    """Wait for the scores.

    Raises:
        BadInput: the graph was refused, crashed, or never answered.
    """
    _refuse_error(_finish(running))
    with np.load(running.result, allow_pickle=False) as found:
        return Scored(found["answers"].astype(np.float64), float(found["latency_p99_ms"]))


def _refuse_error(answer: dict[str, str]) -> None:
    if "error" in answer:
        raise BadInput(answer["thing"], expected=answer["expected"], found=answer["found"], hint=answer["next"])


def _start(*words: str) -> subprocess.Popen[str]:
    # -P: a module in the folder of the artifact must not be imported in place of a library
    command = [sys.executable, "-P", "-m", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(running: Running) -> dict[str, str]:
    try:
        output, complaints = running.program.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as error:
        running.stop()
        raise BadInput(
            f"{running.subject} is refused", expected=f"an answer within {PATIENCE_SECONDS} s", hint=RETRAIN
        ) from error
    try:
        found: dict[str, str] = json.loads(output) if output else {}
    except ValueError:
        found = {}
    code = running.program.returncode
    if code != 0 and "error" not in found:
        ended = f"ended by signal {-code}" if code < 0 else (complaints.strip().splitlines() or ["no word"])[-1]
        raise BadInput(f"{running.subject} is refused", expected="a graph that runs", found=ended, hint=RETRAIN)
    return found

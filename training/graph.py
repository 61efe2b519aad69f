"""How the ONNX graph is asked: its inputs and output, as docs/reference/artifact.md has them.

Apart from convert.py, so that a stage that only asks does not import the converter.
Refuses a graph that ONNX Runtime cannot open or run.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd

from slipway.errors import BadInput
from slipway.task import Task
from slipway.tasks.binary import Binary
from training.pipeline import CATEGORICAL, NUMERIC, frame

BINARY = Binary()  # of callers that say nothing else
ROWS_AT_ONCE = 20_000  # a column a category, dense inside the graph, must not grow with the table


def session(content: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a graph from its bytes.

    Raises:
        BadInput: ONNX Runtime cannot open it.
    """
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises its own kinds, one a status code, under no common class
        raise _refusal("cannot be opened by ONNX Runtime", error) from error


def predict(graph: onnxruntime.InferenceSession, rows: pd.DataFrame, task: Task = BINARY) -> np.ndarray:
    """Return the graph's scores, `(n_rows, …) float32` as the task has them.

    Raises:
        BadInput: ONNX Runtime cannot run it on these rows.
    """
    given = frame(rows)
    starts = range(0, len(given), ROWS_AT_ONCE)
    parts = [_part(graph, given.iloc[start : start + ROWS_AT_ONCE], task) for start in starts]
    return np.concatenate(parts) if parts else np.empty((0, *task.shape), np.float32)


def _part(graph: onnxruntime.InferenceSession, given: pd.DataFrame, task: Task) -> np.ndarray:
    inputs = {}
    if NUMERIC:
        inputs["numeric"] = np.ascontiguousarray(given[NUMERIC].to_numpy(np.float32))
    if CATEGORICAL:
        inputs["categorical"] = given[CATEGORICAL].to_numpy(object)
    try:
        return np.asarray(task.scores(graph.run([task.output], inputs)[0]))
    except Exception as error:  # as above
        raise _refusal("cannot be run by ONNX Runtime", error) from error


def _refusal(what: str, error: Exception) -> BadInput:
    return BadInput(
        f"model.onnx {what}",
        expected="a graph that answers every row",
        found=(str(error).strip().splitlines() or [type(error).__name__])[0][:300],
        hint="choose another train.estimator in params.yaml",
    )

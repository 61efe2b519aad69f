"""How the ONNX graph is asked: its inputs and output, as docs/reference/artifact.md has them.

Apart from convert.py, so that a stage that only asks does not import the converter.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pandas as pd

from training.pipeline import CATEGORICAL, NUMERIC

OUTPUT = "probabilities"


def session(content: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """Open a graph from its bytes."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def predict(graph: onnxruntime.InferenceSession, rows: pd.DataFrame) -> np.ndarray:
    """Return the graph's probability of the positive class, `(n_rows,) float32`."""
    inputs = {}
    if NUMERIC:
        inputs["numeric"] = np.ascontiguousarray(rows[NUMERIC].to_numpy(np.float32))
    if CATEGORICAL:
        inputs["categorical"] = rows[CATEGORICAL].fillna("").to_numpy(object)
    return np.asarray(graph.run([OUTPUT], inputs)[0][:, 1])

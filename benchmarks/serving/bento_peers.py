"""The stock BentoML peers: `bentoml serve bento_peers:Onnx`, `bentoml serve bento_peers:Sklearn`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np

FOLDER = Path(os.environ["PEER_FOLDER"])
INPUTS = json.loads((FOLDER / "schema.json").read_bytes())["inputs"]
NAMES = INPUTS["numeric"] + INPUTS["categorical"]


@bentoml.service(workers=1)
class Onnx:
    """ONNX Runtime behind BentoML's own API."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(FOLDER / "model.onnx", options, providers=["CPUExecutionProvider"])

    @bentoml.api
    async def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """Predict."""
        numbers = np.array([[r.get(n) for n in INPUTS["numeric"]] for r in rows], np.float32)
        texts = np.array([[r.get(n) or "" for n in INPUTS["categorical"]] for r in rows], object)
        found: list[float] = self.session.run(["probabilities"], {"numeric": numbers, "categorical": texts})[0][
            :, 1
        ].tolist()
        return found


@bentoml.service(workers=1)
class Sklearn:
    """The Pipeline behind BentoML's own API."""

    def __init__(self) -> None:
        import joblib

        self.model = joblib.load(FOLDER / "model.joblib")

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        """Predict."""
        import pandas as pd

        frame = pd.DataFrame(rows).reindex(columns=NAMES)
        found: list[float] = self.model.predict_proba(frame.to_numpy(object))[:, 1].tolist()
        return found

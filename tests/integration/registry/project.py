"""A small model's folder as docs/reference/artifact.md describes it, really trained and really committed."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import skops.io
import yaml
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMERIC, CATEGORICAL = ["distance", "temp"], ["carrier"]
GATE: dict[str, Any] = {
    "confidence": 0.95,
    "resamples": 200,
    "seed": 13,
    "minimum": {"rows": 500, "positives": 50, "blocks": 20},
    "non_inferiority": {"log_loss": 0.01, "roc_auc": 0.02},
    "floors": {"roc_auc": 0.6, "log_loss": 0.69},
    "slices": {"minimum_rows": 100, "minimum_positives": 10, "roc_auc": 0.55},
    "calibration_error": 0.2,
    "size_bytes": 1_000_000,
    "latency_p99_ms": 5.0,
}


def make(root: Path, name: str = "tiny", strength: float = 1.0, seed: int = 1) -> None:
    """Train on `strength` of the signal, write every output and dvc.lock, commit."""
    rows = _rows(seed)
    train, test = rows.iloc[:1500], rows.iloc[1500:].reset_index(drop=True)
    pipeline = _fit(train, strength)
    onnx = _to_onnx(pipeline)
    probability = _predict(onnx, test)
    model = {"model.onnx": onnx, "model.skops": skops.io.dumps(pipeline)}
    golden = {"rows": json.loads(test[NUMERIC + CATEGORICAL].head(8).to_json(orient="records"))}
    files = {f"model/{file}": content for file, content in model.items()}
    files["model/schema.json"] = _json(_schema(name))
    files["model/golden.json"] = _json(golden | {"probabilities": probability[:8].tolist()})
    files["reports/metrics.json"] = _json(_metrics(name))
    files["reports/parity.json"] = _json({"passed": True, "max_difference": 1e-7})
    files["reports/validation.json"] = _json({"success": True, "expectations": 3, "failed": 0})
    files["reports/report.html"] = b"<h1>report</h1>"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "data" / "prepared").mkdir(parents=True, exist_ok=True)
    train.to_parquet(root / "data/prepared/train.parquet")
    test.to_parquet(root / "data/prepared/test.parquet")
    reported = test[["row_id", "block", "label"]].assign(probability=probability, slice_carrier=test["carrier"])
    reported.to_parquet(root / "reports/predictions.parquet")
    params = {"model": {"name": name}, "train": {"estimator": "LogisticRegression", "strength": strength}, "gate": GATE}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    lock(root)


def lock(root: Path) -> None:
    """Write dvc.lock for what is there, as a repro would."""
    outputs = [*root.glob("model/*"), *root.glob("reports/*"), *root.glob("data/prepared/*")]
    outs = [
        {"path": out.relative_to(root).as_posix(), "hash": "md5", "md5": hashlib.md5(out.read_bytes()).hexdigest()}  # noqa: S324
        for out in sorted(outputs)
        if out.is_file()
    ]
    params = yaml.safe_load((root / "params.yaml").read_text())
    stage = {"cmd": "true", "params": {"params.yaml": {"train": params["train"]}}, "outs": outs}
    (root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"train": stage}}))


def commit(root: Path, message: str = "Train") -> None:
    """Commit everything that Git is not told to ignore."""
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


def git(root: Path, *words: str) -> None:
    """Run git as a nobody in particular."""
    who = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *who, *words], check=True)


def _rows(seed: int, count: int = 4500) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    distance = random.integers(100, 3000, count).astype(np.float32)
    temp = random.normal(60, 15, count).astype(np.float32)
    carrier = random.choice(["AA", "UA"], count)
    odds = (distance - 1500) / 700 + np.where(carrier == "AA", 0.8, -0.8)
    label = (random.random(count) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    return pd.DataFrame(
        {
            "row_id": [f"r{i:05d}" for i in range(count)],
            "block": [f"d{i // 75:03d}" for i in range(count)],
            "label": label,
            "distance": distance,
            "temp": temp,
            "carrier": carrier,
        }
    )


def _fit(train: pd.DataFrame, strength: float) -> Pipeline:
    steps = [("n", StandardScaler(), [0, 1]), ("c", OneHotEncoder(sparse_output=False), [2])]
    pipeline = Pipeline([("prepare", ColumnTransformer(steps)), ("estimator", LogisticRegression())])
    pipeline.fit(train[NUMERIC + CATEGORICAL], train["label"])
    pipeline.named_steps["estimator"].coef_ *= strength
    return pipeline


def _to_onnx(pipeline: Pipeline) -> bytes:
    inputs = [("numeric", FloatTensorType([None, 2])), ("categorical", StringTensorType([None, 1]))]
    options = {id(pipeline.named_steps["estimator"]): {"zipmap": False}}
    graph = convert_sklearn(pipeline, initial_types=inputs, options=options, target_opset={"": 21, "ai.onnx.ml": 3})
    graph = select_model_inputs_outputs(graph, outputs=["probabilities"])
    # The converter leaves the shape of an inner output open; the contract names it.
    graph.graph.output[0].CopyFrom(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2]))
    content: bytes = graph.SerializeToString()
    return content


def _predict(onnx: bytes, rows: pd.DataFrame) -> Any:
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    inputs = {"numeric": rows[NUMERIC].to_numpy(np.float32), "categorical": rows[CATEGORICAL].to_numpy(object)}
    return session.run(["probabilities"], inputs)[0][:, 1]


def _schema(name: str) -> dict[str, Any]:
    numbers = [{"name": n, "type": "number", "unit": None, "missing": "refuse"} for n in NUMERIC]
    texts = [{"name": n, "type": "string", "categories": ["AA", "UA"], "missing": "refuse"} for n in CATEGORICAL]
    return {
        "schema_version": 1,
        "model": name,
        "inputs": {"numeric": NUMERIC, "categorical": CATEGORICAL},
        "features": numbers + texts,
        "output": {"name": "probability", "type": "number"},
        "target": {"name": "late"},
    }


def _metrics(name: str) -> dict[str, Any]:
    bounds = {"value": 0.8, "low": 0.7, "high": 0.9}
    return {
        "model": name,
        "rows": 3000,
        "positives": 1500,
        "blocks": 40,
        "metrics": {"roc_auc": bounds, "log_loss": bounds},
        "baselines": {"climatology": {"difference": {"log_loss": bounds, "roc_auc": bounds}, "beaten": True}},
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=2).encode()

"""The description that makes a folder of ours an MLflow model: flavors, signature, example.

The served bytes stay the served bytes: MLflow knows of model.onnx and
model.skops as they are, nothing is loaded or written again, and no flavor
needs pickle.
"""

from __future__ import annotations

import json
import math
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from slipway import artifact, tasks

REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "skops")
EXAMPLE = "input_example.json"


def describe(
    folder: Path, contract: dict[str, Any], golden: dict[str, Any], trusted: list[str], run_id: str, model_id: str
) -> None:
    """Write MLmodel, the input example and the environment beside the model's files in `folder`."""
    from mlflow.models import Model

    columns = [*contract["inputs"]["numeric"], *contract["inputs"]["categorical"]]
    _write_example(folder / EXAMPLE, columns, golden)
    _write_environment(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    Model(
        artifact_path="model",
        run_id=run_id,
        flavors=_flavors(trusted, tasks.read(contract.get("task")).flavor[1]),
        signature=signature(contract),
        saved_input_example_info={"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split"},
        model_size_bytes=size,
        model_id=model_id,
        model_uuid=model_id,
    ).save(str(folder / "MLmodel"))


def signature(contract: dict[str, Any]) -> Any:
    """Return the columns of the contract as a signature; numbers are doubles, so that one may be missing."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    kinds = {"numeric": DataType.double, "categorical": DataType.string}
    columns: list[Any] = [ColSpec(kind, name) for part, kind in kinds.items() for name in contract["inputs"][part]]
    task = tasks.read(contract.get("task"))
    answer = TensorSpec(np.dtype(np.float64), (-1, *((task.width,) if task.width > 1 else ())), task.output)
    return ModelSignature(inputs=Schema(columns), outputs=Schema([answer]))


def _flavors(trusted: list[str], method: str) -> dict[str, Any]:
    python = platform.python_version()
    return {
        "python_function": {
            "loader_module": "mlflow.sklearn",
            "model_path": artifact.PIPELINE,
            "predict_fn": method,
            "python_version": python,
            "env": {"virtualenv": "python_env.yaml"},
        },
        "sklearn": {
            "pickled_model": artifact.PIPELINE,  # MLflow's name for the file in any format
            "serialization_format": "skops",
            "skops_trusted_types": trusted,
            "sklearn_version": version("scikit-learn"),
        },
        "onnx": {
            "data": artifact.GRAPH,
            "onnx_version": version("onnx"),
            "providers": ["CPUExecutionProvider"],
            "onnx_session_options": {"intra_op_num_threads": 1, "inter_op_num_threads": 1},
        },
    }


def _write_example(path: Path, columns: list[str], golden: dict[str, Any]) -> None:
    rows = [[_number(row.get(name)) for name in columns] for row in golden["rows"][:5]]
    path.write_text(json.dumps({"columns": columns, "data": rows}, ensure_ascii=False), encoding="utf-8")


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value) if math.isfinite(value) else None


def _write_environment(folder: Path) -> None:
    pinned = [f"{name}=={version(name)}" for name in REQUIREMENTS]
    (folder / "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")
    lines = [f'python: "{platform.python_version()}"', "dependencies:", "- -r requirements.txt"]
    (folder / "python_env.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

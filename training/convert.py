"""From the fitted Pipeline to the files that leave training, the same bytes every time.

Owns how model.onnx and model.skops are written. Refuses an estimator that ONNX cannot express.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import onnx
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from slipway.errors import BadInput
from slipway.task import Task
from training import gaussian
from training.exact import form
from training.graph import BINARY
from training.pipeline import CATEGORICAL, NUMERIC

# Pinned: a newer converter must not change the graph unless we say so.
OPSET = {"": 21, "ai.onnx.ml": 3}
GRAPH_NAME = "slipway"
# A zip entry carries a date; the earliest that the format can express.
EPOCH = (1980, 1, 1, 0, 0, 0)


def to_onnx(model: Pipeline, task: Task = BINARY) -> bytes:
    """Express the Pipeline as one ONNX graph.

    Inputs `numeric` float32 (n, k) and `categorical` string (n, m), each where there are such features;
    output float32 (n, width), by the task's name for it.

    Raises:
        BadInput: ONNX has no form for this estimator.
    """
    kinds = (("numeric", FloatTensorType, NUMERIC), ("categorical", StringTensorType, CATEGORICAL))
    inputs = [(name, kind([None, len(columns)])) for name, kind, columns in kinds if columns]
    estimator = model.named_steps["estimator"]
    try:
        graph = _converted(model, inputs, task)
        _settle(graph, task)
    except Exception as error:  # skl2onnx raises RuntimeError, NameError and its own, by converter
        raise BadInput(
            f"train.estimator {type(estimator).__name__} has no ONNX form",
            expected="an estimator that skl2onnx can convert (https://onnx.ai/sklearn-onnx/supported.html)",
            found=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}",
            hint="choose another estimator in params.yaml",
        ) from error
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _converted(model: Pipeline, inputs: list[tuple[str, Any]], task: Task) -> onnx.ModelProto:
    estimator = model.named_steps["estimator"]
    if isinstance(estimator, GaussianNB):
        graph: onnx.ModelProto = convert_sklearn(model[:-1], name=GRAPH_NAME, initial_types=inputs, target_opset=OPSET)
        gaussian.append(graph, estimator, task.output)
        return graph
    exact = form(model)
    classifies = hasattr(estimator, "classes_")
    options = {id(exact.named_steps["estimator"]): {"zipmap": False}} if classifies else None
    graph = convert_sklearn(exact, name=GRAPH_NAME, initial_types=inputs, target_opset=OPSET, options=options)
    if not classifies:
        _rename(graph, graph.graph.output[0].name, task.output)
    chosen: onnx.ModelProto = select_model_inputs_outputs(graph, outputs=[task.output])
    return chosen


def _rename(graph: onnx.ModelProto, old: str, new: str) -> None:
    """Give the graph's output another name; skl2onnx calls a regressor's `variable`."""
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    graph.graph.output[0].name = new


def to_skops(model: Pipeline) -> bytes:
    """Write the Pipeline as skops, with no clock and no memory address in it."""
    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(model)))
    tree = json.loads(source.read("schema.json"))
    renumbered: dict[int, int] = {}
    files: dict[str, str] = {}
    _renumber(tree, renumbered, files)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "schema.json", json.dumps(tree, sort_keys=True, indent=1).encode())
        for old, new in sorted(files.items(), key=lambda pair: pair[1]):
            _add(archive, new, source.read(old))
    return target.getvalue()


def _settle(graph: onnx.ModelProto, task: Task) -> None:
    """Undo what differs from run to run or is lost on the way: the order of opsets, the output's shape.

    What only the dropped label output needed goes too: ONNX Runtime warns of it at every start.
    """
    opsets = sorted(graph.opset_import, key=lambda opset: opset.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(opsets)
    used = {name for node in graph.graph.node for name in node.input}
    kept = [tensor for tensor in graph.graph.initializer if tensor.name in used]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    output = onnx.helper.make_tensor_value_info(task.output, onnx.TensorProto.FLOAT, [None, task.width])
    graph.graph.output[0].CopyFrom(output)


def _renumber(node: Any, numbers: dict[int, int], files: dict[str, str]) -> None:
    """Replace skops' memory addresses by the order in which the tree names them."""
    children = node if isinstance(node, list) else list(node.values()) if isinstance(node, dict) else []
    if isinstance(node, dict):
        if isinstance(node.get("__id__"), int):
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(node.get("file"), str):
            old = node["file"]
            node["file"] = files.setdefault(old, f"{len(files):05d}.{old.rpartition('.')[2]}")
    for child in children:
        _renumber(child, numbers, files)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)

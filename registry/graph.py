"""A served graph: does it fit the contract, and what does it answer?

Run as a program of its own (`python -m registry.graph MODEL SCHEMA ROWS OUT`),
so that a graph made to crash the runtime takes down nothing else. Refuses what
is not ONNX, reaches outside the file, uses operators of a foreign domain, has
other inputs or outputs than the contract, or trees that point outside themselves.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

from slipway import tasks
from slipway.errors import BadInput, SlipwayError
from slipway.task import Task

DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
LATENCY_ROUNDS, LATENCY_CALLS = 3, 300
RETRAIN = "dvc repro --force train"


def checked(path: Path) -> bytes:
    """Return the bytes of a graph that is safe to hand to the runtime.

    Raises:
        BadInput: what is wrong with it.
    """
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker have trees of errors of their own
        raise _refused(path, "an ONNX model", str(error).strip().splitlines()[0][:200]) from error
    if foreign := {opset.domain for opset in model.opset_import} - DOMAINS:
        raise _refused(path, "operators of ai.onnx and ai.onnx.ml only", ", ".join(sorted(foreign)))
    if any(tensor.external_data for tensor in model.graph.initializer) or model.functions:
        raise _refused(path, "one self-contained graph", "external data or local functions")
    for node in model.graph.node:
        if node.op_type.startswith("TreeEnsemble") and not _closed(node):
            raise _refused(path, "trees whose branches lead to nodes of their own", node.name)
    return content


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """Open a checked graph on one thread."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def feeds(schema: dict[str, Any], rows: pa.Table) -> dict[str, np.ndarray]:
    """Arrange the columns as the graph takes them; missing is NaN or the empty string.

    Raises:
        BadInput: the rows lack a column.
    """
    wanted = schema["inputs"]
    if missing := [n for n in [*wanted["numeric"], *wanted["categorical"]] if n not in rows.column_names]:
        raise BadInput("the test rows lack columns of schema.json", expected=", ".join(missing), hint="dvc repro")
    arranged: dict[str, np.ndarray] = {}
    if wanted["numeric"]:
        columns = [rows[name].cast(pa.float32()).to_numpy() for name in wanted["numeric"]]
        arranged["numeric"] = np.ascontiguousarray(np.column_stack(columns), dtype=np.float32)
    if wanted["categorical"]:
        texts = [rows[name].cast(pa.string()).fill_null("").to_pylist() for name in wanted["categorical"]]
        arranged["categorical"] = np.array(texts, dtype=object).T
    return arranged


def score(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], task: Task) -> np.ndarray:
    """Return the scores of the task, `(n_rows, …) float32`.

    Raises:
        BadInput: the graph's inputs or outputs are not the contract's.
    """
    found = {tensor.name for tensor in session.get_inputs()}
    if found != set(inputs) or task.output not in {tensor.name for tensor in session.get_outputs()}:
        outputs = sorted(tensor.name for tensor in session.get_outputs())
        raise BadInput(
            "the graph's inputs and outputs are not those of schema.json",
            expected=f"inputs {sorted(inputs)}, output {task.output}",
            found=f"inputs {sorted(found)}, outputs {outputs}",
            hint=RETRAIN,
        )
    answer = session.run([task.output], inputs)[0]
    rows = len(next(iter(inputs.values())))
    if answer.shape != (rows, task.width):
        raise BadInput(
            f"the graph's output {task.output} has another shape than schema.json promises",
            expected=f"({rows}, {task.width})",
            found=str(answer.shape),
            hint=RETRAIN,
        )
    return np.asarray(task.scores(answer))


def latency_p99(
    session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], output: str, calls: int = LATENCY_CALLS
) -> float:
    """Return the 99th percentile of one-row calls in milliseconds of CPU time, of the quietest round.

    A graph computes on the one thread that calls it and never waits, so without other work this is the time that a
    request takes; on a busy machine a clock on the wall would time the others.
    """
    rows = len(next(iter(inputs.values())))
    singles = [{name: matrix[i % rows][None] for name, matrix in inputs.items()} for i in range(calls)]
    rounds = []
    for _ in range(LATENCY_ROUNDS):  # what else runs here evicts the caches, which only ever adds
        taken = []
        for single in singles:
            started = time.process_time()
            session.run([output], single)
            taken.append(time.process_time() - started)
        rounds.append(float(np.quantile(taken, 0.99)))
    return 1000 * min(rounds)


def _closed(node: onnx.NodeProto) -> bool:
    fields = {a.name: np.array(a.ints) for a in node.attribute if a.ints}
    names = ("nodes_treeids", "nodes_nodeids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_featureids")
    modes = next((list(a.strings) for a in node.attribute if a.name == "nodes_modes"), [])
    if not all(name in fields and len(fields[name]) == len(modes) for name in names):
        return not modes  # another operator of the family has no such lists
    tree, node_id, on_true, on_false, feature = (fields[name] for name in names)
    inner = np.array([mode != b"LEAF" for mode in modes])
    known = set(zip(tree.tolist(), node_id.tolist(), strict=True))
    children = [
        *zip(tree[inner].tolist(), on_true[inner].tolist(), strict=True),
        *zip(tree[inner].tolist(), on_false[inner].tolist(), strict=True),
    ]
    # Each node has one parent and the first of each tree none: the runtime's walk must end.
    return (
        len(known) == len(modes)
        and set(children) <= known
        and len(set(children)) == len(children)
        and min(feature) >= 0
    )


def _refused(path: Path, expected: str, found: str) -> BadInput:
    return BadInput(f"{path} is refused", expected=expected, found=found, hint=RETRAIN)


def main(arguments: list[str]) -> int:
    """Score ROWS and write scores and latency to OUT, or the error as JSON to stdout."""
    model, schema, rows, out = (Path(argument) for argument in arguments)
    try:
        session = open_session(checked(model))
        contract = json.loads(schema.read_text(encoding="utf-8"))
        task, inputs = tasks.read(contract.get("task")), feeds(contract, pq.read_table(rows))
        answers = score(session, inputs, task)
        np.savez(out, answers=answers, latency_p99_ms=latency_p99(session, inputs, task.output))
    except SlipwayError as error:
        print(json.dumps(error.as_json()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

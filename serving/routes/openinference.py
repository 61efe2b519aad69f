"""The Open Inference Protocol, version 2, over HTTP: what KServe, Triton and MLServer clients speak.

The tensors are the graph's own: `numeric` FP32 [n, k], `categorical` BYTES
[n, m], answered by those of the task, such as `probabilities` FP32 [n, 2]. JSON
and the binary tensor extension both work; every value is measured by the same
contract as /predict.

Source: https://github.com/kserve/open-inference-protocol,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from serving.http.message import JSON, Handler, Request, Response
from serving.http.problem import Fault, Problem
from serving.input import faults, tensors
from serving.input.validation import Batch
from serving.routes.operations import Operations
from serving.routes.predict import Predictor

BINARY = b"application/octet-stream"
LENGTH = b"inference-header-content-length"


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Inference(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, Any] = {}


def _colons(inference: _Inference) -> int:
    """Count the keys of a request without a key that is there twice or not known, and with values of no strings."""
    tops = (inference.id, inference.outputs, inference.parameters or None)
    count = 1 + sum(top is not None for top in tops) + len(inference.parameters)
    for tensor in inference.inputs:
        count += 3 + (tensor.data is not None) + bool(tensor.parameters) + len(tensor.parameters)
    return count + sum(1 + bool(o.parameters) + len(o.parameters) for o in inference.outputs or [])


class OpenInference:
    """Answers the protocol's routes for one model."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._parts = predictor.parts
        self._operations = Operations(predictor.parts)
        self._decoder = msgspec.json.Decoder(_Inference)
        inputs = self._parts.model.schema.inputs
        self._shapes = {"numeric": ("FP32", len(inputs.numeric)), "categorical": ("BYTES", len(inputs.categorical))}
        self._limits = tensors.Limits.of(self._parts.model.schema)
        self._wanted = {name: shape for name, shape in self._shapes.items() if shape[1]}
        self._task = self._parts.model.task
        example = self._task.tensors(np.zeros((1, *self._task.shape), np.float32))
        self._outputs = {name: (tensors.datatype(values), [-1, *values.shape[1:]]) for name, values in example.items()}

    def table(self) -> dict[str, dict[str, Handler]]:
        """Return the routes by path and method."""
        model = f"/v2/models/{self._parts.model.name}"
        found: dict[str, dict[str, Handler]] = {"/v2": {"GET": self.server}, "/v2/": {"GET": self.server}}
        for path in (model, f"{model}/versions/{self._parts.model.version}"):
            found[path] = {"GET": self.metadata}
            found[f"{path}/ready"] = {"GET": self._operations.ready}
            found[f"{path}/infer"] = {"POST": self.infer}
        return found

    async def server(self, request: Request) -> Response:
        """The server's metadata."""
        await self._operations.asks(request, "predict", "operate")
        content = {"name": "slipway", "version": self._parts.model.version, "extensions": ["binary_tensor_data"]}
        return Response(200, msgspec.json.encode(content))

    async def metadata(self, request: Request) -> Response:
        """The model's metadata."""
        await self._operations.asks(request, "predict", "operate")
        served = self._parts.model
        content = {
            "name": served.name,
            "versions": [served.version],
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": n, "datatype": t, "shape": [-1, k]} for n, (t, k) in self._wanted.items()],
            "outputs": [{"name": n, "datatype": t, "shape": shape} for n, (t, shape) in self._outputs.items()],
        }
        return Response(200, msgspec.json.encode(content))

    async def infer(self, request: Request) -> Response:
        """Predict for tensors."""
        body = await self._predictor.admitted_body(request, (JSON, BINARY, b""))
        inference, binary = self._parsed(body, request.headers.get(LENGTH))
        arrays = self._arrays(inference, binary)
        batch = self._measured(arrays)
        scores = await self._predictor.scores(request, batch)
        self._predictor.journal(request, batch, scores)
        return self._answer(request, inference, self._task.tensors(scores))

    def _parsed(self, body: bytes, length: bytes | None) -> tuple[_Inference, memoryview]:
        if length is not None and not (length.isdigit() and len(length) < 10 and int(length) <= len(body)):
            raise Problem(400, "Inference-Header-Content-Length does not fit the body", kind="bad-length")
        split = len(body) if length is None else int(length)
        head = body[:split]
        try:
            inference = self._decoder.decode(head)
            if b"\\" in head or head.count(b":") != _colons(inference):
                faults.refuse_twice(head)
            return inference, memoryview(body)[split:]
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise tensors.fault("", "an inference request of the Open Inference Protocol", str(error)[:200]) from None
        except (msgspec.DecodeError, RecursionError) as error:
            faults.refuse_twice(head)  # JSON that only this parser cannot read, such as half a surrogate pair
            raise Problem(400, f"the body is not JSON: {error}", kind="not-json") from None

    def _arrays(self, inference: _Inference, binary: memoryview) -> dict[str, np.ndarray]:
        names = [tensor.name for tensor in inference.inputs]
        if sorted(names) != sorted(self._wanted):
            raise tensors.fault("inputs", " and ".join(self._wanted), ", ".join(names)[:60])
        for output in inference.outputs or []:
            if output.name not in self._outputs:
                raise tensors.fault("outputs", " or ".join(self._outputs), output.name[:60])
        asked = [output.name for output in inference.outputs or []]
        if len(set(asked)) < len(asked):
            raise tensors.fault("outputs", "each output once", ", ".join(asked)[:60])
        arrays: dict[str, np.ndarray] = {}
        for tensor in inference.inputs:
            datatype, width = self._wanted[tensor.name]
            rows = self._rows(tensor, datatype, width)
            size = tensor.parameters.get("binary_data_size")
            if size is None:
                arrays[tensor.name] = tensors.from_json(tensor.name, tensor.data, datatype, rows, width)
                continue
            if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(binary):
                raise tensors.fault(tensor.name, "binary_data_size within the body", str(size)[:60])
            arrays[tensor.name] = tensors.from_binary(tensor.name, binary[:size], tensor.datatype, rows, width)
            binary = binary[size:]
        if len(binary):
            raise tensors.fault("", "no bytes after the last tensor", f"{len(binary)} bytes")
        if len({len(array) for array in arrays.values()}) != 1:
            raise tensors.fault("inputs", "tensors of as many rows", "different numbers of rows")
        return arrays

    def _rows(self, tensor: _Input, datatype: str, width: int) -> int:
        most = self._parts.settings.max_rows
        if tensor.datatype not in (datatype, "FP64" if datatype == "FP32" else datatype):
            raise tensors.fault(tensor.name, f"datatype {datatype}", tensor.datatype[:60])
        if len(tensor.shape) != 2 or tensor.shape[1] != width or not 1 <= tensor.shape[0] <= most:
            raise tensors.fault(tensor.name, f"shape [1 to {most}, {width}]", str(tensor.shape)[:60])
        return tensor.shape[0]

    def _measured(self, arrays: dict[str, np.ndarray]) -> Batch:
        rows = len(next(iter(arrays.values())))
        numeric = arrays.get("numeric", np.empty((rows, 0), np.float32))
        categorical = arrays.get("categorical", np.empty((rows, 0), object))
        found: list[Fault] = tensors.measure(numeric, categorical, self._limits)
        if found:
            raise Problem(422, f"{len(found)} violation(s) in {rows} row(s)", kind="invalid-input", faults=found)
        return Batch(numeric, categorical, by_rows=False)

    def _answer(self, request: Request, inference: _Inference, values: dict[str, np.ndarray]) -> Response:
        served = self._parts.model
        default = inference.parameters.get("binary_data_output", False)
        asked = {output.name: output.parameters for output in inference.outputs or []} or {name: {} for name in values}
        outputs: list[dict[str, Any]] = []
        raw: list[bytes] = []
        for name, parameters in asked.items():
            found = values[name]
            output: dict[str, Any] = {"name": name, "datatype": tensors.datatype(found), "shape": list(found.shape)}
            if parameters.get("binary_data", default):
                raw.append(tensors.to_binary(found))
                output["parameters"] = {"binary_data_size": len(raw[-1])}
            else:
                output["data"] = found.ravel().tolist()
            outputs.append(output)
        content: dict[str, Any] = {
            "model_name": served.name,
            "model_version": served.version,
            "id": inference.id or request.id,
            "parameters": {"request_id": request.id, **self._task.settings},
            "outputs": outputs,
        }
        head = msgspec.json.encode(content)
        if not raw:
            return Response(200, head)
        length = (b"inference-header-content-length", b"%d" % len(head))
        return Response(200, head + b"".join(raw), BINARY, [length])

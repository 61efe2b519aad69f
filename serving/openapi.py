"""The contract of the API as OpenAPI 3.0.3, made from the model's schema and golden rows."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from serving.http.problem import TITLES
from serving.inference.model import Model
from serving.input.rowtypes import LONGEST_STRING
from serving.input.schema import Feature
from serving.settings import Settings

# Nothing that JSON can express about a string of printable characters but this.
PRINTABLE = "^[^\\u0000-\\u001f\\u007f]*$"


def document(model: Model, settings: Settings) -> bytes:
    """Write the document."""
    content = {
        "openapi": "3.0.3",
        "info": {
            "title": f"{model.name} {model.version}",
            "version": model.version,
            "description": model.schema.output.description,
        },
        "paths": _paths(model),
        "components": {
            "schemas": _schemas(model, settings),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {str(status): _problem(title) for status, title in TITLES.items()},
        },
        "security": [{"token": []}] if settings.auth == "on" else [],
    }
    return msgspec.json.encode(content)


def _paths(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {
        "/predict": {"post": _predict(model)},
        "/predictions/{id}": {"get": _prediction()},
        "/version": {"get": _get("Where the answers come from", "Version")},
    }
    for path, text in (("/livez", "Liveness"), ("/readyz", "Readiness"), ("/startupz", "Startup")):
        found[path] = {"get": _open(text)}
    found["/v2/health/live"] = {"get": _open("Liveness, Open Inference Protocol")}
    found["/v2/health/ready"] = {"get": _open("Readiness, Open Inference Protocol")}
    found["/v2"] = {"get": _get("The server, Open Inference Protocol", "Object")}
    for path in (f"/v2/models/{model.name}", f"/v2/models/{model.name}/versions/{model.version}"):
        found[path] = {"get": _get("The model, Open Inference Protocol", "Object")}
        found[f"{path}/ready"] = {"get": _open("The model's readiness, Open Inference Protocol")}
        found[f"{path}/infer"] = {"post": _infer(model)}
    return found


def _predict(model: Model) -> dict[str, Any]:
    row = model.golden[0]
    columns = {name: [r.get(name) for r in model.golden[:2]] for name in row}
    examples = {
        "row": {"summary": "One row", "value": {"rows": [row]}},
        "columns": {"summary": "Many rows, column by column: faster", "value": {"columns": columns}},
    }
    content = {"application/json": {"schema": _ref("Input"), "examples": examples}}
    return {
        "summary": "Predict",
        "operationId": "predict",
        "parameters": [_request_id()],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _answer("The predictions", "Prediction")}
        | _problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
    }


def _prediction() -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 64}
    parameter = {"name": "id", "in": "path", "required": True, "schema": schema}
    return {
        "summary": "A past prediction, for its owner or an operator",
        "operationId": "prediction",
        "parameters": [parameter, _request_id()],
        "responses": {"200": _answer("The prediction", "Object")} | _problems(400, 401, 403, 404, 429, 503),
    }


def _infer(model: Model) -> dict[str, Any]:
    inputs = model.schema.inputs
    row = model.golden[0]
    example: dict[str, Any] = {"inputs": []}
    if inputs.numeric:
        values = [row.get(name) for name in inputs.numeric]
        example["inputs"].append({"name": "numeric", "shape": [1, len(values)], "datatype": "FP32", "data": values})
    if inputs.categorical:
        strings = [row.get(name) for name in inputs.categorical]
        example["inputs"].append(
            {"name": "categorical", "shape": [1, len(strings)], "datatype": "BYTES", "data": strings}
        )
    content = {"application/json": {"schema": _ref("Inference"), "example": example}}
    return {
        "summary": "Predict, Open Inference Protocol",
        "parameters": [_request_id()],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _answer("The tensors", "InferenceAnswer")}
        | _problems(400, 401, 403, 408, 413, 415, 422, 429, 503),
    }


def _schemas(model: Model, settings: Settings) -> dict[str, Any]:
    features = model.schema.ordered()
    required = [f.name for f in features if f.missing == "refuse"]
    row = _object({f.name: _value(f) for f in features}, required)
    columns = _object({f.name: _column(f, settings.max_rows) for f in features}, required)
    rows = {"type": "array", "items": _ref("Row"), "minItems": 1, "maxItems": settings.max_rows}
    answer = model.task.properties(model.schema.output.description)
    listed = {name: _listed(kind) for name, kind in answer.items()}
    rests_on = {name: {"type": "number"} for name in model.task.settings}
    identity = {"request_id": {"type": "string"}, "model": _ref("ModelName")} | rests_on
    by_rows = identity | {"predictions": {"type": "array", "items": _object(answer, list(answer))}}
    by_columns = identity | {"columns": _object(listed, list(listed))}
    return {
        "Row": row,
        "Columns": columns | {"description": "Lists of one length, a value a row."},
        "Input": {"oneOf": [_object({"rows": rows}, ["rows"]), _object({"columns": _ref("Columns")}, ["columns"])]},
        "ModelName": _object({"name": {"type": "string"}, "version": {"type": "string"}}, ["name", "version"]),
        "Prediction": {"oneOf": [_object(by_rows, list(by_rows)), _object(by_columns, list(by_columns))]},
        "Version": {"type": "object", "required": ["model", "run_id", "git_commit", "data_md5", "image_digest"]},
        "Object": {"type": "object"},
        "Inference": _inference(model),
        "InferenceAnswer": {"type": "object", "required": ["model_name", "model_version", "id", "outputs"]},
        "Problem": _problem_schema(),
    }


def _listed(kind: dict[str, Any]) -> dict[str, Any]:
    """Describe a field of an answer column by column: a list, or a list for each of its own fields."""
    if kind.get("type") != "object":
        return {"type": "array", "items": kind}
    return kind | {"properties": {name: _listed(field) for name, field in kind["properties"].items()}}


def _inference(model: Model) -> dict[str, Any]:
    tensor = _object(
        {
            "name": {"type": "string", "enum": ["numeric", "categorical"]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 2, "maxItems": 2},
            "datatype": {"type": "string", "enum": ["FP32", "FP64", "BYTES"]},
            "data": {"type": "array", "items": {}},
        },
        ["name", "shape", "datatype", "data"],
    )
    tensors = sum(1 for names in (model.schema.inputs.numeric, model.schema.inputs.categorical) if names)
    inputs = {"type": "array", "items": tensor, "minItems": tensors, "maxItems": tensors}
    outputs = model.task.tensors(np.zeros((1, *model.task.shape), np.float32))
    output = {"type": "object", "properties": {"name": {"type": "string", "enum": list(outputs)}}, "required": ["name"]}
    return _object(
        {"id": {"type": "string"}, "inputs": inputs, "outputs": {"type": "array", "items": output}}, ["inputs"]
    )


def _value(feature: Feature) -> dict[str, Any]:
    unit = f" ({feature.unit})" if feature.unit else ""
    found: dict[str, Any] = {"type": feature.type, "description": feature.description + unit}
    if feature.missing == "accept":
        found["nullable"] = True
    if feature.type != "string":
        bounds = {"minimum": feature.minimum, "maximum": feature.maximum}
        return found | {name: bound for name, bound in bounds.items() if bound is not None}
    if feature.unknown == "refuse" and feature.categories:
        listed = [one for one in feature.categories if one]
        return found | {"enum": [*listed, *(["", None] if feature.missing == "accept" else [])]}
    least = {"minLength": 1} if feature.missing == "refuse" else {}
    return found | least | {"maxLength": LONGEST_STRING, "pattern": PRINTABLE}


def _column(feature: Feature, most: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "array", "items": _value(feature), "minItems": 1, "maxItems": most}
    return found | ({"nullable": True} if feature.missing == "accept" else {})


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return found | ({"required": required} if required else {})


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _get(summary: str, schema: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [_request_id()],
        "responses": {"200": _answer(summary, schema)} | _problems(400, 401, 403, 429, 503),
    }


def _open(summary: str) -> dict[str, Any]:
    answer = _answer(summary, "Object")
    return {
        "summary": summary, "security": [], "parameters": [_request_id()],
        "responses": {"200": answer} | _problems(400, 503),
    }  # fmt: skip


def _answer(description: str, schema: str) -> dict[str, Any]:
    header = {"x-request-id": {"schema": {"type": "string"}}}
    return {"description": description, "headers": header, "content": {"application/json": {"schema": _ref(schema)}}}


def _request_id() -> dict[str, Any]:
    schema = {"type": "string"}  # any: what is not an id of ours is answered under one that is
    text = (
        "Yours, to find the prediction again: 16 to 64 letters, digits and hyphens; another form gets one of the "
        "server's. The same rows under one id of a subject are written down once."
    )
    return {"name": "X-Request-Id", "in": "header", "required": False, "schema": schema, "description": text}


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}


def _problem(title: str) -> dict[str, Any]:
    return {"description": title, "content": {"application/problem+json": {"schema": _ref("Problem")}}}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    fault = _object({"field": text, "expected": text, "found": text}, ["field", "expected", "found"])
    properties = {
        "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "request_id": text,
        "error": text,
        "errors": {"type": "array", "items": fault},
    }  # fmt: skip
    return _object(properties, ["type", "title", "status", "detail", "request_id"])

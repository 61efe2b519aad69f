"""Numbers, names and strings at the edge of JSON, float32 and Unicode: one answer in every reader."""

from __future__ import annotations

import json
import math
import struct
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from journal.record import Documents
from scoring import columns
from serving.http.problem import Problem
from serving.input import tensors
from serving.input.schema import Feature, Inputs, Output, Schema
from serving.input.validation import Reader
from serving.routes.openinference import OpenInference

NAMES = (
    "mean radius", "Sepal.Length", "a-b", "1st", "self", "class", "__init__", "", " ", "f0", "f1", "rows", "columns",
    "caf\u00e9", "cafe\u0301", "\U0001f600", 'say "hi"', "back\\slash", "tab\there", "a:b", "::", "x" * 3000,
    "\x7f", "None",
)  # fmt: skip
LARGEST = float(np.finfo(np.float32).max)


def schema_of(*features: Feature) -> Schema:
    numeric = tuple(f.name for f in features if f.type != "string")
    categorical = tuple(f.name for f in features if f.type == "string")
    return Schema(1, "m", Inputs(numeric, categorical), features, Output("score"))


def status(reader: Reader, body: bytes) -> int:
    try:
        reader.read(body)
    except Problem as problem:
        problem.body("id")  # what is refused can be answered
        return problem.status
    return 200


@pytest.mark.parametrize("name", [*NAMES, None])
@pytest.mark.parametrize("missing", ["refuse", "accept"])
def test_any_name_that_a_table_has_is_read(name: str | None, missing: Literal["refuse", "accept"]) -> None:
    names = NAMES if name is None else (name, name + "2")
    contract = schema_of(*(Feature(n, "number" if i % 2 else "string", missing) for i, n in enumerate(names)))
    reader = Reader(contract, 10)
    row = {n: 1.5 if i % 2 else "v:w" for i, n in enumerate(names)}
    for body in ({"rows": [row, row]}, {"columns": {n: [v, v] for n, v in row.items()}}):
        for ascii_only in (True, False):
            batch = reader.read(json.dumps(body, ensure_ascii=ascii_only).encode())
            assert batch.numeric.tolist() == [[1.5] * len(contract.inputs.numeric)] * 2
            assert batch.categorical.tolist() == [["v:w"] * len(contract.inputs.categorical)] * 2
    assert status(reader, json.dumps({"rows": [row | {"other": 1}]}).encode()) == 422
    batch = reader.read(json.dumps({"rows": [row]}).encode())
    written = Documents(contract.inputs).write(batch.numeric, batch.categorical)
    assert json.loads(written)["rows"][0].keys() == row.keys()


TWO = schema_of(Feature("a", "number", "accept"), Feature("b", "number", "accept"), Feature("c", "string", "accept"))


@pytest.mark.parametrize(
    "body",
    [
        '{"rows":[{"a":1,"a":2,"c":"x"}]}',
        '{"rows":[{"a":1,"a":1}]}',
        '{"rows":[{"a":null,"a":null,"b":1}]}',
        '{"rows":[{"a":1,"a":2,"b":3,"c":"x"}]}',
        '{"rows":[{"a":1,"b":1,"c":"x"},{"a":1,"a":2,"c":"x"}]}',
        '{"rows":[{"c":"x:y","c":"x","a":1}]}',
        '{"rows":[{"a":1}],"rows":[{"a":1}]}',
        '{"columns":{"a":[1],"a":[2],"c":["x"]}}',
        '{"columns":{"a":[1],"a":[1]}}',
        '{"columns":{"a":[1],"a":[2],"b":[1],"c":["x"]}}',
        '{"columns":{"a":[1]},"columns":{"a":[1]}}',
        '{"columns":{"c":["x:y"],"c":["x"]}}',
    ],
)
def test_a_key_that_is_there_twice_is_refused_whatever_is_left_out(body: str) -> None:
    assert status(Reader(TWO, 10), body.encode()) == 422
    spaced = body.replace(":", " : ").replace('"x : y"', '"x:y"')
    assert status(Reader(TWO, 10), spaced.encode()) == 422


@pytest.mark.parametrize("body", ['{"rows":[{"a":1}]}', '{"columns":{"c":["x:y"]}}', '{"rows":[{"c":"::"},{}]}'])
def test_what_is_left_out_once_passes(body: str) -> None:
    assert status(Reader(TWO, 10), body.encode()) == 200


@pytest.mark.parametrize(
    "body",
    [
        rb'{"rows":[{"\ud800":1}]}', rb'{"rows":[{"c":"\ud800"}]}', rb'"\ud800"', rb'{"rows":"\udfff"}',
        rb'{"rows":["\ud800"]}', rb'{"columns":{"\ud800":[1]}}', rb'{"columns":{"a":"\ud800"}}', rb'{"\ud800":1}',
        rb'{"rows":[{"\ud800":1,"\ud800":1}]}', rb'{"columns":"\ud800"}', rb'{"columns":{"c":["\ud800"]}}',
    ],
)  # fmt: skip
def test_half_a_surrogate_pair_is_refused_and_can_be_answered(body: bytes) -> None:
    assert status(Reader(TWO, 10), body) == 422


def inference(contract: Schema) -> OpenInference:
    model = SimpleNamespace(schema=contract, name="m", version="1")
    parts = SimpleNamespace(model=model, settings=SimpleNamespace(max_rows=10, image_digest=""))
    made = OpenInference.__new__(OpenInference)
    made._parts = parts  # type: ignore[assignment]
    import msgspec

    from serving.routes import openinference

    made._decoder = msgspec.json.Decoder(openinference._Inference)
    inputs = contract.inputs
    made._wanted = {
        name: shape
        for name, shape in {
            "numeric": ("FP32", len(inputs.numeric)),
            "categorical": ("BYTES", len(inputs.categorical)),
        }.items()
        if shape[1]
    }
    made._limits = tensors.Limits.of(contract)
    return made


def tensor_status(contract: Schema, head: bytes, binary: bytes = b"") -> int:
    made = inference(contract)
    try:
        made._measured(made._arrays(*made._parsed(head + binary, str(len(head)).encode())))
    except Problem as problem:
        problem.body("id")
        return problem.status
    return 200


ONE = schema_of(Feature("x", "number", "refuse"))
GOOD = '{"inputs":[{"name":"numeric","shape":[1,1],"datatype":"FP32","data":[1]}]}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GOOD, 200),
        (GOOD[:-1] + ',"more":{"a":"b:c"}}', 200),
        (GOOD[:-1] + r',"id":"\ud800"}', 422),
        (GOOD.replace('"numeric"', r'"\ud800"'), 422),
        (GOOD.replace('"data":[1]', '"data":[1],"data":[2]'), 422),
        (GOOD.replace('"name":"numeric"', '"name":"x","name":"numeric"'), 422),
        (GOOD[:-1] + ',"inputs":[]}', 422),
        (GOOD.replace("}]", '},{"name":"numeric","shape":[1,1],"datatype":"FP32","data":[1]}]'), 422),
        (GOOD[:-1] + r',"id":"a","i\u0064":"b"}', 422),
    ],
)
def test_tensors_with_names_twice_or_of_no_unicode_are_refused(body: str, expected: int) -> None:
    assert tensor_status(ONE, body.encode()) == expected


def every_reader(contract: Schema, text: str) -> dict[str, bool]:
    """Say for each reader whether it takes this number."""
    reader, value = Reader(contract, 10), float(text)
    found = {
        "rows": status(reader, f'{{"rows":[{{"x":{text}}}]}}'.encode()) == 200,
        "columns": status(reader, f'{{"columns":{{"x":[{text}]}}}}'.encode()) == 200,
        "thorough": status(reader, rf'{{"rows":[{{"\u0078":{text}}}]}}'.encode()) == 200,
        "score": bool(columns.lay_out(pa.record_batch({"x": pa.array([value])}), contract).good[0]),
    }
    with np.errstate(over="ignore"):
        single = float(np.float32(value))
    for datatype, packed in (("FP32", struct.pack("<f", single)), ("FP64", struct.pack("<d", value))):
        head = GOOD.replace("FP32", datatype)
        found[datatype] = tensor_status(contract, head.replace("[1]}", f"[{text}]}}").encode()) == 200
        binary = head.replace('"data":[1]', f'"parameters":{{"binary_data_size":{len(packed)}}}')
        found[datatype + " binary"] = tensor_status(contract, binary.encode(), packed) == 200
    return found


@pytest.mark.parametrize("limit", [0.8, 6.981, 0.1, -0.3, 16777217.0, 1e-45, 1e39])
def test_a_limit_holds_as_float32_in_every_reader(limit: float) -> None:
    contract = schema_of(Feature("x", "number", "refuse", minimum=limit, maximum=limit))
    with np.errstate(over="ignore"):
        single = np.float32(min(limit, LARGEST))
    inside = [repr(float(single))] if limit > LARGEST else [repr(limit), repr(float(single))]
    for text in inside:
        assert set(every_reader(contract, text).values()) == {True}, text
    for beyond in (np.nextafter(single, np.float32(-np.inf)), np.nextafter(np.float32(single / 2), np.float32(np.inf))):
        assert set(every_reader(contract, repr(float(beyond))).values()) == {beyond == single}, beyond


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("text", ["1" + "0" * 300, "-1" + "0" * 300, "1" + "0" * 39, "3.4028236e38", "1e308"])
def test_a_number_past_float32_is_refused_by_every_reader(kind: Literal["number", "integer"], text: str) -> None:
    contract = schema_of(Feature("x", kind, "refuse"))
    assert set(every_reader(contract, text).values()) == {False}


def test_enormous_integers_and_what_is_not_finite_are_refused() -> None:
    for kind in ("number", "integer"):
        contract = schema_of(Feature("x", kind, "refuse"))
        for text in ("1" + "0" * 400, "-1" + "0" * 4000):
            assert status(Reader(contract, 10), f'{{"rows":[{{"x":{text}}}]}}'.encode()) == 422
            assert status(Reader(contract, 10), f'{{"columns":{{"x":[{text}]}}}}'.encode()) == 422
            assert tensor_status(contract, GOOD.replace("[1]}", f"[{text}]}}").encode()) in (400, 422)
        for value in (math.nan, math.inf, -math.inf):
            for datatype, form in (("FP32", "<f"), ("FP64", "<d")):
                size = struct.calcsize(form)
                head = GOOD.replace("FP32", datatype).replace(
                    '"data":[1]', f'"parameters":{{"binary_data_size":{size}}}'
                )
                assert tensor_status(contract, head.encode(), struct.pack(form, value)) == 422


@pytest.mark.parametrize("text", ["1" + "0" * 30, "-" + "9" * 25, str(2**63), str(2**64)])
def test_an_integer_past_64_bits_that_float32_holds_passes_and_can_be_journalled(text: str) -> None:
    contract = schema_of(Feature("x", "integer", "refuse"))
    batch = Reader(contract, 10).read(f'{{"rows":[{{"x":{text}}}]}}'.encode())
    assert batch.numeric[0, 0] == np.float32(int(text))
    assert json.loads(Documents(contract.inputs).write(batch.numeric, batch.categorical))["rows"]


def test_a_file_with_two_columns_of_one_name_is_refused() -> None:
    from slipway.errors import BadInput

    for name in ("x", "row_id"):
        fields = [pa.field("x", pa.float64()), pa.field("row_id", pa.int64()), pa.field(name, pa.float64())]
        with pytest.raises(BadInput):
            columns.check(pa.schema(fields), ONE, "file")

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.fixtures.servers import Server
from tests.integration.serving.conftest import Golden, NewClient

MODEL = "flight-delay"


def arrays(golden: Golden, server: Server) -> tuple[np.ndarray, np.ndarray]:
    from serving.inference import model
    from serving.input import schema

    contract = schema.parse((model_folder(server) / "schema.json").read_bytes())
    return model.rows_to_arrays(golden["rows"], contract)


def model_folder(server: Server) -> Any:
    return server.model


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_works_unchanged(server: Server, bearer: Callable[..., str], golden: Golden, binary: bool) -> None:
    numeric, categorical = arrays(golden, server)
    if not binary:  # JSON has no NaN
        numeric, categorical = numeric[~np.isnan(numeric).any(axis=1)], categorical[~np.isnan(numeric).any(axis=1)]
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    headers = {"Authorization": f"Bearer {bearer()}"}
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL, headers=headers)
    assert client.get_model_metadata(MODEL, headers=headers)["inputs"][0]["name"] == "numeric"
    inputs = [
        triton.InferInput("numeric", list(numeric.shape), "FP32").set_data_from_numpy(numeric, binary),
        triton.InferInput("categorical", list(categorical.shape), "BYTES").set_data_from_numpy(categorical, binary),
    ]
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary)]
    for asked in (outputs, None):
        answer = client.infer(MODEL, inputs, model_version="7", outputs=asked, headers=headers)
        found = answer.as_numpy("probabilities")
        kept = ~np.isnan(arrays(golden, server)[0]).any(axis=1) if not binary else slice(None)
        np.testing.assert_allclose(found[:, 1], np.array(golden["probabilities"])[kept], atol=1e-6)
        assert answer.get_response()["model_version"] == "7"
    client.close()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"shape": [1, 12]}, 422), ({"datatype": "INT64"}, 422), ({"data": [0] * 12}, 422), ({"name": "x"}, 422),
        ({"data": ["a"] * 13}, 422), ({"data": [10**400] * 13}, 422), ({"data": [-1] * 13}, 422), ({"data": None}, 422),
        ({"shape": [0, 13], "data": []}, 422), ({}, 200),
    ],
)  # fmt: skip
def test_tensors_that_break_the_contract_are_refused(
    server: Server, client: NewClient, golden: Golden, change: dict[str, Any], status: int
) -> None:
    numeric, categorical = arrays(golden, server)
    first = [None if np.isnan(v) else float(v) for v in numeric[0]]
    tensor = {"name": "numeric", "shape": [1, 13], "datatype": "FP32", "data": first} | change
    strings = {"name": "categorical", "shape": [1, 3], "datatype": "BYTES", "data": categorical[0].tolist()}
    answer = client(server).http.post(f"/v2/models/{MODEL}/infer", json={"inputs": [tensor, strings]})
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999", "1000000"])
def test_a_wrong_length_of_the_json_part_is_refused(server: Server, client: NewClient, length: str) -> None:
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": length}
    content = json.dumps({"inputs": []}).encode()
    answer = client(server).http.post(f"/v2/models/{MODEL}/infer", content=content, headers=headers)
    assert answer.status_code == 400


def test_tritonclient_reads_every_refusal(server: Server, bearer: Callable[..., str]) -> None:
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    allowed = {"Authorization": f"Bearer {bearer()}"}  # the client writes into what it is given
    wrong = [triton.InferInput("numeric", [1, 1], "FP32").set_data_from_numpy(np.zeros((1, 1), np.float32))]
    asked: list[tuple[str, Any]] = [
        ("401", lambda: client.infer(MODEL, wrong)),
        ("403", lambda: client.infer(MODEL, wrong, headers={"Authorization": f"Bearer {bearer('eve', 'operate')}"})),
        ("404", lambda: client.get_model_metadata("other", headers=dict(allowed))),
        ("405", lambda: client.load_model(MODEL, headers=dict(allowed))),
        ("413", lambda: client.infer(MODEL, [_large()], headers=dict(allowed))),
        ("415", lambda: client.infer(MODEL, wrong, headers=dict(allowed), request_compression_algorithm="gzip")),
        ("422", lambda: client.infer(MODEL, wrong, headers=dict(allowed))),
        ("431", lambda: client.get_server_metadata(headers=allowed | {"X": "y" * 40_000})),
    ]
    for status, ask in asked:
        with pytest.raises(InferenceServerException) as refused:
            ask()
        assert "while decoding" not in str(refused.value), (status, refused.value)
        assert refused.value.status() in (status, "404" if status == "405" else status), refused.value
        assert refused.value.message()
    client.close()


def _large() -> Any:
    return triton.InferInput("numeric", [100_000, 13], "FP32").set_data_from_numpy(np.zeros((100_000, 13), np.float32))

"""A model that answers some rows with what is no number: they get no answer, it is counted, and the rest is served."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from serving.inference import model
from serving.input import schema
from tests.fixtures.broken_model import ANSWERS, break_rows
from tests.fixtures.servers import Redis, Server
from tests.integration.serving.conftest import MODEL, Client, Golden, NewClient, Start
from tests.integration.serving.load import GENEROUS, holds_exactly

BROKEN_DISTANCE = 4321
INFER = "/v2/models/flight-delay/infer"


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.long] * (name != "nan")) for name in ANSWERS])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(MODEL, folder)
    break_rows(folder, "distance", BROKEN_DISTANCE, request.param)
    return folder


def tensors(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    return model.rows_to_arrays(rows, schema.parse((MODEL / "schema.json").read_bytes()))


def as_json(rows: list[dict[str, Any]]) -> dict[str, Any]:
    numeric, categorical = tensors(rows)
    numbers = [None if math.isnan(value) else float(value) for value in numeric.ravel()]
    words = categorical.ravel().tolist()
    return {
        "inputs": [
            {"name": "numeric", "shape": list(numeric.shape), "datatype": "FP32", "data": numbers},
            {"name": "categorical", "shape": list(categorical.shape), "datatype": "BYTES", "data": words},
        ]
    }


def in_binary(server: Server, bearer: str, rows: list[dict[str, Any]]) -> str:
    numeric, categorical = tensors(rows)
    asker = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    inputs = [
        triton.InferInput("numeric", list(numeric.shape), "FP32").set_data_from_numpy(numeric),
        triton.InferInput("categorical", list(categorical.shape), "BYTES").set_data_from_numpy(categorical),
    ]
    try:
        with pytest.raises(InferenceServerException) as refused:
            asker.infer("flight-delay", inputs, headers={"Authorization": f"Bearer {bearer}"})
    finally:
        asker.close()
    return f"{refused.value.status()} {refused.value.message()}"


def finite(answer: httpx.Response) -> Any:
    """Read an answer as JSON, which has no NaN and no infinity."""

    def no_number(name: str) -> float:
        raise AssertionError(f"{name} in {answer.text[:200]}")

    return json.loads(answer.content, parse_constant=no_number)


def test_what_is_no_number_is_never_an_answer_and_is_counted(
    start: Start,
    client: NewClient,
    bearer: Callable[..., str],
    golden: Golden,
    new_database: Callable[[], str],
    redis_server: Redis,
    broken: Path,
) -> None:
    url = new_database()
    server: Server = start(model=broken, database_url=url, redis_url=redis_server.url, **GENEROUS)
    asker: Client = client(server)
    sound, lost = golden["rows"][0], {**golden["rows"][0], "distance": BROKEN_DISTANCE}
    columns = {name: [sound[name], lost[name]] for name in sound}
    asked: list[tuple[str, Any]] = [
        ("/predict", {"rows": [lost]}),
        ("/predict", {"rows": [lost]}),  # again: the cache holds no such answer
        ("/predict", {"rows": [sound, lost]}),
        ("/predict", {"rows": [sound] * 200 + [lost]}),  # as many as a thread of its own takes
        ("/predict", {"columns": columns}),
        (INFER, as_json([sound, lost])),
    ]
    for path, body in asked:
        answer = asker.http.post(path, json=body)
        assert answer.status_code == 500, answer.text[:300]
        assert "no finite number for rows[" in answer.text
        said = finite(answer)
        assert said.get("type", "urn:slipway:problem:not-finite") == "urn:slipway:problem:not-finite"
    assert "no finite number" in in_binary(server, bearer(), [sound, lost])
    assert asker.metric("slipway_not_finite_total") == len(asked) + 1

    answers = [asker.predict([sound]), asker.http.post(INFER, json=as_json([sound]))]
    assert [each.status_code for each in answers] == [200, 200]
    assert finite(answers[0])["predictions"][0]["probability"] == pytest.approx(golden["probabilities"][0], abs=1e-6)
    ids = {answers[0].json()["request_id"], answers[1].json()["id"]}
    holds_exactly(url, ids)  # what got no answer is in no journal


def test_a_graph_that_answers_no_golden_row_is_not_served(tmp_path: Path, start: Start, golden: Golden) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(MODEL, folder)
    break_rows(folder, "distance", golden["rows"][0]["distance"], "nan")
    with pytest.raises(AssertionError, match="the server ended"):
        start(model=folder)

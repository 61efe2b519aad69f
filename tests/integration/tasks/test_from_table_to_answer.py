"""Every task, from a table through the stages, the gate and the registry to answers, scores, journal and drift."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pandas as pd
import psycopg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from monitoring.cli import drift
from scoring.cli import score
from serving import smoke
from slipway import tasks
from slipway.errors import BadInput
from tests.fixtures.servers import wait_until
from tests.integration.tasks.conftest import Made, answers, registered, store

pytestmark = pytest.mark.long


def test_a_good_model_passes_the_gate(made: Made) -> None:
    verdict = made.registration.verdict
    assert verdict is not None
    assert verdict.passed, verdict.failures
    names = {rule.name for rule in verdict.rules}
    assert {"binary": "floors.roc_auc", "multiclass": "classes", "regression": "interval_coverage"}[made.task] in names
    headline = "rmse" if made.task == "regression" else "roc_auc"
    measured = made.json("reports/metrics.json")["metrics"][headline]["value"]
    assert float(made.registration.version.tags[headline]) == pytest.approx(measured, abs=1e-6)


def test_the_same_model_is_not_worse_than_itself(made: Made) -> None:
    tracking = store(made.root)
    tracking.set_alias("small", "champion", made.registration.version.number)
    params = made.root / "params.yaml"
    before = params.read_text()
    try:
        params.write_text(before.replace('"resamples": 300', '"resamples": 301'))
        from tests.integration.registry import project

        project.lock(made.root)
        project.commit(made.root, "Judge again")
        verdict = registered(made.root).verdict
    finally:
        params.write_text(before)
    assert verdict is not None
    judged = [rule for rule in verdict.rules if rule.name.startswith("non_inferiority.")]
    assert len(judged) == 2
    assert all(rule.passed and rule.measured == 0 for rule in judged), judged


def test_the_artifact_says_its_task(made: Made) -> None:
    contract = made.json("model/schema.json")
    assert contract["schema_version"] == 2
    assert contract["task"]["name"] == made.task
    if made.task == "binary":
        assert (contract["task"]["classes"], contract["task"]["positive"]) == (["no", "yes"], "yes")
        assert contract["task"]["threshold"] not in (0, 0.5, 1)  # what the costs ask for
    elif made.task == "multiclass":
        assert contract["task"]["classes"] == ["Barbera", "Barolo", "Grignolino"]
    else:
        assert contract["task"]["unit"] == "point"
        assert contract["task"]["interval"]["coverage"] == 0.9


def test_the_report_shows_what_the_task_has(made: Made) -> None:
    page = (made.root / "reports/report.html").read_text()
    plots = {path.stem for path in (made.root / "reports/plots").glob("*.json")}
    wanted = {
        "binary": {"roc", "precision_recall", "calibration", "importance"},
        "multiclass": {"confusion", "roc", "calibration", "importance"},
        "regression": {"predicted", "residuals", "importance"},
    }[made.task]
    assert plots == wanted
    assert page.count("<svg") == len(wanted)
    assert made.json("reports/parity.json")["passed"]


def test_mlflow_opens_the_model_as_what_it_is(made: Made) -> None:
    tracking = store(made.root)
    version = made.registration.version
    with warnings.catch_warnings():  # MLflow warns of its own types where this module is imported first
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
    model = mlflow.pyfunc.load_model(f"models:/small/{version.number}")
    features = made.test.drop(columns=["row_id", "block", "label"]).head(5).astype(np.float64)
    task = tasks.read(made.json("model/schema.json")["task"])
    found = np.asarray(model.predict(features)).reshape(5, -1)
    assert found.shape == (5, task.width)
    assert np.abs(task.scores(found) - answers(made, 5)).max() <= task.tolerance
    assert tracking.versions("small")


def test_rows_and_columns_are_answered(made: Made, client: httpx.Client) -> None:
    rows = made.rows(6)
    by_row = client.post("/predict", json={"rows": rows}).raise_for_status().json()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    by_column = client.post("/predict", json={"columns": columns}).raise_for_status().json()
    task = tasks.read(made.json("model/schema.json")["task"])
    given = np.array([task.read(row) for row in by_row["predictions"]])
    assert np.abs(given - answers(made, 6)).max() <= task.tolerance
    assert by_column["columns"] == task.columns(given.astype(np.float32))
    assert by_row["predictions"] == task.rows(given.astype(np.float32))
    assert by_row.get("threshold") == task.settings.get("threshold")
    if made.task == "regression":
        assert all(row["low"] < row["value"] < row["high"] for row in by_row["predictions"])
    again = client.post("/predict", json={"rows": rows}).raise_for_status().json()
    assert again["predictions"] == by_row["predictions"], "out of the cache"


def test_the_document_describes_the_answer(made: Made, client: httpx.Client) -> None:
    document = client.get("/openapi.json").raise_for_status().json()
    rows = made.rows(3)
    for body in ({"rows": rows}, {"columns": {name: [row[name] for row in rows] for name in rows[0]}}):
        answer = client.post("/predict", json=body).raise_for_status().json()
        schema = {"$ref": "#/components/schemas/Prediction", "components": document["components"]}
        jsonschema.validate(answer, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(answer | {"columns": {"score": [1.0]}, "predictions": []}, schema)


def test_the_open_inference_protocol_has_the_tasks_outputs(made: Made, client: httpx.Client) -> None:
    path = "/v2/models/small/infer"
    described = client.get("/v2/models/small").raise_for_status().json()["outputs"]
    wanted = {
        "binary": [("probabilities", "FP32", [-1, 2]), ("label", "BYTES", [-1])],
        "multiclass": [("probabilities", "FP32", [-1, 3]), ("label", "BYTES", [-1])],
        "regression": [("value", "FP32", [-1, 1]), ("interval", "FP32", [-1, 2])],
    }[made.task]
    assert [(one["name"], one["datatype"], one["shape"]) for one in described] == wanted
    rows = made.rows(4)
    data = [list(row.values()) for row in rows]
    tensor = {"name": "numeric", "shape": [4, len(data[0])], "datatype": "FP64", "data": data}
    answer = client.post(path, json={"inputs": [tensor]}).raise_for_status().json()
    assert [one["name"] for one in answer["outputs"]] == [name for name, _, _ in wanted]
    by_row = client.post("/predict", json={"rows": rows}).raise_for_status().json()["predictions"]
    second = answer["outputs"][1]["data"]
    if made.task == "regression":
        assert second == [end for row in by_row for end in (row["low"], row["high"])]
    else:
        assert second == [row["label"] for row in by_row]
    # The second output alone, in binary.
    name = wanted[1][0]
    asked = {"inputs": [tensor], "outputs": [{"name": name, "parameters": {"binary_data": True}}]}
    raw = client.post(path, json=asked).raise_for_status()
    head = int(raw.headers["inference-header-content-length"])
    [output] = json.loads(raw.content[:head])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(raw.content) - head
    body = raw.content[head:]
    if made.task == "regression":
        assert np.frombuffer(body, "<f4").tolist() == second
    else:
        texts = []
        while body:
            size = struct.unpack("<I", body[:4])[0]
            texts.append(body[4 : 4 + size].decode())
            body = body[4 + size :]
        assert texts == second
    assert client.post(path, json={"inputs": [tensor], "outputs": [{"name": "other"}]}).status_code == 422


def test_the_smoke_test_of_a_release_passes(made: Made, client: httpx.Client) -> None:
    speaks = smoke.Client(str(client.base_url))
    manifest = json.loads((made.folder / "manifest.json").read_text())
    digests = {name: file["sha256"] for name, file in manifest["files"].items()}
    expected = smoke.Expected("small", "1", "", digests["model.onnx"], digests["golden.json"], 1000.0)
    task = tasks.read(made.json("model/schema.json")["task"])
    content = (made.folder / "golden.json").read_bytes()
    assert all(check.ok for check in smoke.check_golden(speaks, content, task, expected))
    other = json.loads(content)
    other[task.golden] = (np.array(other[task.golden]) + 3 * task.tolerance).tolist()
    checks = smoke.check_golden(speaks, json.dumps(other).encode(), task, expected)
    assert [check.ok for check in checks] == [False, False]


def test_a_file_is_scored_as_the_server_answers(made: Made, client: httpx.Client, tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    rows = made.test.drop(columns=["block", "label"])
    rows.loc[rows.index[3], "f0"] = np.inf
    rows.to_parquet(source, index=False)
    words = [str(source), str(target), "--model", str(made.folder), "--max-bad", "0.2", "--workers", "1", "--json"]
    done = CliRunner().invoke(score, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["bad"] == 1
    found = pq.read_table(target).to_pylist()
    assert found[3]["reason"]
    task = tasks.read(made.json("model/schema.json")["task"])
    assert all(found[3][name] is None for name in task.properties(""))
    served = client.post("/predict", json={"rows": made.rows(3)}).raise_for_status().json()["predictions"]
    assert set(served[0]) == set(found[0]) - {"row_id", "model_version", "reason"}
    assert [row.get("label") for row in found[:3]] == [row.get("label") for row in served]
    assert np.allclose([task.read(row) for row in found[:3]], [task.read(row) for row in served], atol=task.tolerance)


def test_the_journal_keeps_every_score_of_a_row(made: Made, client: httpx.Client, database: str) -> None:
    rows = made.rows(5)
    name = f"journal-of-{made.task}-0001"
    served = client.post("/predict", json={"rows": rows}, headers={"x-request-id": name}).raise_for_status().json()
    task = tasks.read(made.json("model/schema.json")["task"])
    wanted = [task.read(row) for row in served["predictions"]]

    def stored() -> list[Any]:
        query = "SELECT scores, score FROM prediction_rows WHERE request_id = %s ORDER BY row"
        with psycopg.connect(database) as connection:
            return connection.execute(query, (name,)).fetchall()

    wait_until(lambda: len(stored()) == 5, what="the rows reaching the journal")
    by_row = [scores if task.shape else scores[0] for scores, _ in stored()]
    assert np.allclose(by_row, wanted, atol=1e-6)
    assert all((score is None) == bool(task.shape) for _, score in stored())
    found = client.get(f"/predictions/{name}").raise_for_status().json()
    assert np.allclose(found["scores"], wanted, atol=1e-6)


def test_answers_are_watched_for_drift(made: Made, client: httpx.Client, database: str) -> None:
    for start in range(3):  # another model's answers beside them, of another width
        client.post(
            "/predict", json={"rows": made.rows(40)}, headers={"x-request-id": f"drift-{made.task}-{start:06d}"}
        )
    sent = "SELECT count(*) FROM predictions WHERE request_id LIKE %s"

    def waiting() -> bool:
        with psycopg.connect(database) as connection:
            return connection.execute(sent, (f"drift-{made.task}-%",)).fetchone() == (3,)

    wait_until(waiting, what="the rows reaching the journal")
    words = ["-C", str(made.root), "--minimum-rows", "100", "--since", "1h", "--json"]
    done = CliRunner().invoke(drift, words, env={"SLIPWAY_DATABASE_URL": database})
    assert done.exit_code in (0, 4), done.output
    columns = [one["column"] if "column" in one else one["name"] for one in json.loads(done.stdout)["columns"]]
    answered = {"binary": ["probability"], "multiclass": ["label", "probability"], "regression": ["value"]}[made.task]
    assert columns[-len(answered) :] == answered
    text = client.get("/metrics").raise_for_status().text
    assert f'slipway_feature_value_count{{feature="{answered[-1]}"}}' in text
    assert ('feature="label"' in text) == (made.task == "multiclass")


def test_a_target_of_another_task_is_named_before_the_fit(made: Made, tmp_path: Path) -> None:
    from training import contract, params, train

    rows = pd.DataFrame({"block": ["a", "b", "c"], "label": {"binary": [1.5, 2, 3], "multiclass": [1, 1, 1],
                                                             "regression": ["x", "y", "z"]}[made.task]})  # fmt: skip
    chosen = params.load()
    target = contract.target(made.root / "data/contract.yaml")
    if made.task == "regression":
        chosen = chosen.model_copy(update={"train": chosen.train.model_copy(update={"estimator": "Ridge"})})
    with pytest.raises(BadInput) as caught:
        train.fit(chosen, rows, target)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())

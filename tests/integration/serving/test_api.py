from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest

from serving.http.trace import REQUEST_ID
from tests.fixtures.servers import Redis, Server, wait_until
from tests.integration.serving.conftest import Golden, NewClient, Start

PREDICT = ("POST", "/predict")


def test_answers_are_the_golden_ones(server: Server, client: NewClient, golden: dict[str, Any]) -> None:
    answer = client(server).predict(golden["rows"])
    assert answer.status_code == 200
    content = answer.json()
    found = [p["probability"] for p in content["predictions"]]
    np.testing.assert_allclose(found, golden["probabilities"], atol=1e-6)
    assert content["model"] == {"name": "flight-delay", "version": "7"}
    assert content["request_id"] == answer.headers["x-request-id"]


def test_columns_answer_as_rows_do(server: Server, client: NewClient, golden: dict[str, Any]) -> None:
    rows = golden["rows"] * 40  # past the size that computes in a thread
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    answer = client(server).http.post("/predict", json={"columns": columns}).json()
    np.testing.assert_allclose(answer["columns"]["probability"], golden["probabilities"] * 40, atol=1e-6)


def test_version_tells_the_lineage(server: Server, client: NewClient) -> None:
    found = client(server).http.get("/version").json()
    assert found["model"]["version"] == "7"
    assert {"run_id", "git_commit", "data_md5", "image_digest"} <= set(found)


@pytest.mark.parametrize("good", ["01a20c55-5f5c-71b4-99c5-dc457ee6231b", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "a" * 32])
def test_a_request_id_is_kept(server: Server, client: NewClient, golden: Golden, good: str) -> None:
    assert client(server).predict(golden["rows"][:1], x_request_id=good).json()["request_id"] == good


@pytest.mark.parametrize("bad", ["short", "x" * 65, "'; DROP TABLE predictions;--", "a b c d e f g h i j"])
def test_a_request_id_of_another_form_gets_one_of_ours(
    server: Server, client: NewClient, golden: Golden, bad: str
) -> None:
    answer = client(server).predict(golden["rows"][:1], x_request_id=bad)
    assert answer.status_code == 200
    made = answer.json()["request_id"]
    assert answer.headers["x-request-id"] == made
    assert REQUEST_ID.fullmatch(made.encode())
    assert answer.headers["x-client-request-id"] == bad.replace('"', "?")
    wait_until(lambda: f'"request_id":"{made}","client_request_id":' in server.text(), what="the log line")


@pytest.mark.parametrize("number", ["1e-20000", "0e99999999999", "0." + "0" * 20_000 + "1", "-0.0"])
def test_what_is_journalled_is_what_the_model_was_given(
    server: Server, client: NewClient, golden: Golden, number: str
) -> None:
    row, asker = dict(golden["rows"][0]), client(server)
    body = json.dumps({"rows": [row | {"temp": 12345}]}).replace("12345", number)
    made = asker.http.post("/predict", content=body, headers={"content-type": "application/json"}).json()["request_id"]
    wait_until(lambda: asker.http.get(f"/predictions/{made}").status_code == 200, what="the row in the journal")
    found = asker.http.get(f"/predictions/{made}").json()["features"][0]
    assert found == row | {"temp": 0.0}
    assert asker.metric("slipway_journal_set_aside_total") == 0


def test_one_id_with_other_rows_is_found_with_both(server: Server, client: NewClient, golden: Golden) -> None:
    asker, name = client(server), str(uuid.uuid4())
    for row in (golden["rows"][0], golden["rows"][1], golden["rows"][0]):
        assert asker.predict([row], x_request_id=name).status_code == 200
    wait_until(lambda: "others" in asker.http.get(f"/predictions/{name}").json(), what="both in the journal")
    found = asker.http.get(f"/predictions/{name}").json()
    assert [p["features"] for p in (found, *found["others"])] == [golden["rows"][:1], golden["rows"][1:2]]
    assert asker.metric("slipway_journal_reused_ids_total") >= 1


def test_large_answers_are_compressed_for_who_asks(server: Server, client: NewClient, golden: Golden) -> None:
    rows = golden["rows"] * 10
    asked = client(server).predict(rows, accept_encoding="gzip")
    plain = client(server).predict(rows, accept_encoding="identity")
    assert asked.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    for weight in ("gzip;q=0", "br, gzip ; q=0.00"):
        assert "content-encoding" not in client(server).predict(rows, accept_encoding=weight).headers
    assert "content-encoding" in client(server).predict(rows, accept_encoding="br;q=1, GZip;q=0.5").headers
    assert asked.json()["predictions"] == plain.json()["predictions"]


ROUTES = [
    ("POST", "/predict", {"predict"}),
    ("POST", "/v2/models/flight-delay/infer", {"predict"}),
    ("GET", "/v2/models/flight-delay", {"predict", "operate"}),
    ("GET", "/v2", {"predict", "operate"}),
    ("GET", "/version", {"predict", "operate"}),
    ("GET", "/openapi.json", {"predict", "operate"}),
    ("GET", "/predictions/01a20c55-5f5c-71b4-99c5-dc457ee6231b", {"predict", "operate"}),
    ("GET", "/metrics", {"operate"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_every_role_against_every_route(
    server: Server, client: NewClient, method: str, path: str, allowed: set[str]
) -> None:
    headers = {"content-type": "application/json"}
    assert httpx.request(method, server.url + path, headers=headers).status_code == 401
    for role in ("predict", "operate", "admin"):
        subject = client(server, "bob", role)
        status = subject.http.request(method, path, headers=headers, content=b"{}").status_code
        assert (status == 403) == (role not in allowed), (role, status)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready", "/docs"])
def test_probes_are_open(server: Server, path: str) -> None:
    assert httpx.get(server.url + path).status_code == 200


def test_other_peoples_predictions_are_not_found(server: Server, client: NewClient, golden: Golden) -> None:
    made = client(server, "alice", "predict").predict(golden["rows"][:1]).json()["request_id"]
    path = f"/predictions/{made}"
    owner, other, operator = (
        client(server, *who).http for who in [("alice", "predict"), ("eve", "predict"), ("op", "operate")]
    )
    wait_until(lambda: owner.get(path).status_code == 200, what="the prediction reaching the journal")
    assert other.get(path).status_code == 404
    assert operator.get(path).json()["subject"] == "alice"
    assert owner.get(path).json()["features"][0]["carrier"] == golden["rows"][0]["carrier"]


def test_other_methods_and_paths_are_refused(server: Server, client: NewClient) -> None:
    http = client(server).http
    assert (http.get("/predict").status_code, http.get("/predict").headers["allow"]) == (405, "POST")
    assert http.get("/../../etc/passwd").status_code == 404


def test_a_large_body_is_refused_and_takes_no_memory(server: Server, client: NewClient, golden: Golden) -> None:
    before = server.memory()
    for chunked in (False, True):
        status = _pour(server, client(server).http.headers["authorization"], 100 << 20, chunked)
        assert status in (413, None)  # the connection may be closed before the answer is read
    assert server.memory() < before * 1.1
    assert client(server).predict(golden["rows"]).status_code == 200


def _pour(server: Server, authorization: str, size: int, chunked: bool) -> int | None:
    length = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
    lines = ["POST /predict HTTP/1.1", "host: x", "content-type: application/json", f"authorization: {authorization}"]
    head = "\r\n".join([*lines, length, "", ""])
    block = b"[" * (1 << 16)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode())
        try:
            for _ in range(size // len(block)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        except OSError:
            pass
        try:
            answer = connection.recv(4096)
        except OSError:
            return None
    return int(answer.split()[1]) if answer else None


def test_compressed_bodies_are_refused(server: Server, client: NewClient, golden: Golden) -> None:
    bomb = gzip.compress(bytes(50 << 20))
    before = server.memory()
    for coding in ("gzip", "deflate", "br"):
        headers = {"content-encoding": coding, "content-type": "application/json"}
        assert client(server).http.post("/predict", content=bomb, headers=headers).status_code == 415
    assert server.memory() < before * 1.1
    assert client(server).predict(golden["rows"], content_encoding="identity").status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["application/vnd.bentoml+pickle", "application/octet-stream", "multipart/form-data; boundary=x", "text/plain", ""],
)
def test_other_media_types_are_refused(server: Server, client: NewClient, golden: Golden, kind: str) -> None:
    headers = {"content-type": kind, "Payload-Container": "DefaultContainer", "Batch-Size": "1", "Args-Number": "1"}
    content = b"--x\r\nContent-Disposition: form-data; name=rows\r\n\r\nhttp://127.0.0.1:1/x\r\n--x--"
    before = len(server.worker.net_connections())
    assert client(server).http.post("/predict", content=content, headers=headers).status_code == 415
    assert len(server.worker.net_connections()) <= before + 1
    right = {"content-type": "application/json; charset=utf-8"}
    accepted = json.dumps({"rows": golden["rows"]})
    assert client(server).http.post("/predict", content=accepted, headers=right).status_code == 200


@pytest.mark.parametrize("part", ["nothing", "head", "body", "drip"])
def test_a_slow_client_is_cut(server: Server, client: NewClient, golden: Golden, part: str) -> None:
    sent = {"nothing": b"", "head": b"POST /predict HTTP/1.1\r\nhost", "drip": b"POST /predict HTTP/1.1\r\nx: "}
    body = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(sent.get(part, body))
        if part == "drip":
            threading.Thread(target=_drip, args=(connection,), daemon=True).start()
        took = time.perf_counter()
        assert client(server).predict(golden["rows"]).status_code == 200
        assert time.perf_counter() - took < 0.5
        while connection.recv(4096):
            assert time.monotonic() - began < 4
    assert time.monotonic() - began < 4


def _drip(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b"x")
            time.sleep(0.1)
    except OSError:
        return


def test_a_head_without_end_is_cut(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            _pour_head(connection)


def _pour_head(connection: socket.socket) -> None:
    for _ in range(10_000):
        connection.sendall(b"x-a: " + b"y" * 1000 + b"\r\n")
        time.sleep(0.0005)


def test_injection_is_stored_as_text_and_secrets_stay_out_of_the_log(
    server: Server, client: NewClient, golden: Golden, database: str, bearer: Callable[..., str]
) -> None:
    evil = "x'); DROP TABLE predictions; --"
    forged = '{"level":"error","message":"forged"}'
    row = golden["rows"][0] | {"dest": forged}
    answer = client(server, evil, "predict").predict([row])
    assert answer.status_code == 200
    with psycopg.connect(database, autocommit=True) as connection:
        query = "SELECT subject, features->0->>'dest' FROM predictions WHERE request_id = %s"
        wait_until(lambda: connection.execute(query, [answer.json()["request_id"]]).fetchone() is not None)
        assert connection.execute(query, [answer.json()["request_id"]]).fetchone() == (evil, row["dest"])
    assert client(server).predict([row | {"dest": f"JFK\r\n{forged}"}]).status_code == 422
    httpx.get(f"{server.url}/predict%0d%0a{forged}")
    httpx.request("PATCH", server.url + "/predict?token=secret-in-query")
    wait_until(lambda: "PATCH" in server.text(), what="the request's line")
    log = server.text()
    assert bearer(evil, "predict")[:40] not in log
    assert "secret-in-query" not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert not any(line.get("message") == "forged" for line in lines)
    mine = [line for line in lines if line.get("request_id") == answer.json()["request_id"]]
    assert [line["subject"] for line in mine] == [evil]


def test_no_training_library_and_no_pickle_reader_in_the_running_process(
    server: Server, client: NewClient, golden: Golden
) -> None:
    client(server).predict(golden["rows"])
    imported = {
        line.rpartition("|")[2].strip() for line in server.text().splitlines() if line.startswith("import time:")
    }
    assert "onnxruntime" in imported
    roots = {name.partition(".")[0] for name in imported}
    assert roots.isdisjoint(
        {"sklearn", "pandas", "mlflow", "joblib", "cloudpickle", "dill", "skops", "scipy", "bentoml"}
    )
    maps = server.worker.memory_maps()
    assert not [m.path for m in maps if "/sklearn/" in m.path or "/pandas/" in m.path]


@pytest.mark.long
def test_a_spoofed_address_gives_no_more(start: Start, client: NewClient, golden: Golden, redis_server: Redis) -> None:
    limits = {"burst_limit": "20/second", "sustained_limit": "40/hour"}
    server = start(redis_url=redis_server.url, redis_timeout_seconds=0.5, **limits)
    subject = client(server, "greedy", "predict")
    answers = [
        subject.predict(golden["rows"][:1], x_forwarded_for=f"10.0.0.{i % 250}", forwarded=f"for=10.0.0.{i % 250}")
        for i in range(200)
    ]
    admitted = sum(answer.status_code == 200 for answer in answers)
    assert 20 <= admitted <= 42  # the sustained limit and one lease of two
    refused = answers[-1]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert "r=0" in refused.headers["ratelimit"]
    assert client(server, "patient", "predict").predict(golden["rows"][:1]).status_code == 200

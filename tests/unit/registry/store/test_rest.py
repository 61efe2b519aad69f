"""How a server is asked: the variables of MLflow's client, what its answers mean, pages, and what is asked again."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from registry.store import rest
from registry.store.records import Refusal
from registry.tracking import open_store
from slipway.errors import Unavailable

QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0"}
QUICK |= {"MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


@dataclass
class Answers:
    """A server that answers with what is in `answers`, one after the other, and keeps what was asked."""

    url: str = ""
    answers: list[tuple[int, str]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def answers() -> Iterator[Answers]:
    kept = Answers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.asked.append((self.path, dict(self.headers)))
            status, text = kept.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *_: object) -> None: ...  # noqa: A002 - its own name

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_search_goes_on_until_the_last_page(answers: Answers, tmp_path: Path) -> None:
    pages = [{"rows": [{"n": 1}], "next_page_token": "more"}, {"next_page_token": "last"}, {"rows": [{"n": 2}]}]
    answers.answers = [(200, json.dumps(page)) for page in pages]
    server = rest.server(answers.url + "/", {**QUICK, "HOME": str(tmp_path)})
    assert list(server.pages("GET", "/x/search", "rows", filter="name = 'a'")) == [{"n": 1}, {"n": 2}]
    queries = [parse_qs(urlsplit(path).query) for path, _ in answers.asked]
    assert [query.get("page_token") for query in queries] == [None, ["more"], ["last"]]
    assert all(query["filter"] == ["name = 'a'"] for query in queries)


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}', "RESOURCE_DOES_NOT_EXIST"),
        (401, "You are not authenticated", "UNAUTHENTICATED"),
        (403, "Permission denied", "PERMISSION_DENIED"),
        (404, "<html>not here</html>", "ENDPOINT_NOT_FOUND"),
        (418, '["teapot"]', ""),
        (200, "<html>welcome</html>", ""),
    ],
)
def test_a_refusal_carries_mlflows_code(answers: Answers, tmp_path: Path, status: int, text: str, code: str) -> None:
    answers.answers = [(status, text)]
    with pytest.raises(Refusal) as refused:
        rest.server(answers.url, {**QUICK, "HOME": str(tmp_path)}).call("GET", "/runs/get")
    assert refused.value.error_code == code


def test_what_is_transient_is_asked_again_and_then_given_up(answers: Answers, tmp_path: Path) -> None:
    environment = {**QUICK, "HOME": str(tmp_path)}
    answers.answers = [(503, ""), (429, ""), (200, "{}")]
    assert rest.server(answers.url, environment).call("GET", "/runs/get") == {}
    answers.answers = [(503, "")] * 3
    with pytest.raises(requests.RequestException):
        rest.server(answers.url, environment).call("GET", "/runs/get")
    assert answers.answers == []


def test_the_login_is_sent_and_never_shown(answers: Answers, tmp_path: Path) -> None:
    secret = "no-such-password-anywhere"
    login = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": secret}
    answers.answers = [(403, "Permission denied")]
    opened = open_store(answers.url, {**QUICK, **login, "HOME": str(tmp_path)})
    with pytest.raises(Unavailable) as refused:
        opened.versions("tiny")
    assert answers.asked[0][1]["Authorization"].startswith("Basic ")
    assert secret not in str(refused.value) + repr(opened)


class Recording(HTTPAdapter):
    """Keeps how it was asked to check the server, and answers nothing."""

    def send(self, *_: Any, **named: Any) -> requests.Response:
        self.kept = named
        raise requests.ConnectionError


@pytest.mark.parametrize(
    ("variables", "name", "value"),
    [
        ({"MLFLOW_TRACKING_INSECURE_TLS": "true"}, "verify", False),
        ({"MLFLOW_TRACKING_SERVER_CERT_PATH": "ca.pem"}, "verify", "ca.pem"),
        ({"MLFLOW_TRACKING_CLIENT_CERT_PATH": "me.pem"}, "cert", "me.pem"),
        ({}, "verify", "/of/the/machine.pem"),
        ({"MLFLOW_HTTP_REQUEST_TIMEOUT": "7"}, "timeout", 7.0),
    ],
)
def test_a_server_is_checked_as_mlflows_variables_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], name: str, value: object
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/of/the/machine.pem")
    server, adapter = rest.server("https://a", {"HOME": str(tmp_path), **variables}), Recording()
    server.session.mount("https://", adapter)
    with pytest.raises(requests.ConnectionError):
        server.call("GET", "/runs/get")
    assert adapter.kept[name] == value

"""What a refused body asks for is not done: an audit hook of Python tells what the serving process opens and calls."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.listening import listening
from tests.fixtures.servers import Server
from tests.integration.serving.conftest import MODEL, Golden, NewClient

HOOK = """
import os, sys
def tell(event, arguments):
    if event in ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "pickle.find_class"):
        os.write(2, f"audit: {event} {arguments[0]!r}\\n".encode())
sys.addaudithook(tell)
"""


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


class Asked(BaseHTTPRequestHandler):
    paths: list[str]

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *words: Any) -> None:
        """Stay silent."""


def multipart(*values: bytes) -> bytes:
    part = b'--x\r\nContent-Disposition: form-data; name="rows"; filename="%b"\r\n\r\n%b\r\n'
    return b"".join(part % (value, value) for value in values) + b"--x--\r\n"


@pytest.fixture
def watched(tmp_path: Path, keys: Path) -> Iterator[Server]:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(HOOK)
    made = Server(MODEL, tmp_path, jwks=keys / "jwks.json", jwks_refresh_seconds=3600, journal="off")
    made.environment["PYTHONPATH"] += os.pathsep + str(tmp_path / "hook")
    yield made.start()
    made.stop()


@pytest.mark.long
def test_a_refused_body_opens_no_file_and_calls_nobody(
    watched: Server, client: NewClient, golden: Golden, tmp_path: Path
) -> None:
    asker, mark = client(watched), tmp_path / "was-run"
    accepted = json.dumps({"rows": golden["rows"]})
    right = {"content-type": "application/json"}
    assert asker.http.post("/predict", content=accepted, headers=right).status_code == 200
    assert f"audit: open '{MODEL}" in watched.text(), "the hook tells nothing"
    began = len(watched.text())

    Asked.paths = []
    with listening(Asked) as address:
        forms = multipart(f"{address}/rows".encode(), b"file:///etc/passwd", b"../../etc/passwd")
        bodies = {
            "application/vnd.bentoml+pickle": pickle.dumps(Bomb(mark)),
            "application/octet-stream": pickle.dumps(Bomb(mark)),
            "multipart/form-data; boundary=x": forms,
            "text/uri-list": f"{address}/rows\r\n".encode(),
        }
        for kind, body in bodies.items():
            headers = {"content-type": kind, "Payload-Container": "DefaultContainer"}
            assert asker.http.post("/predict", content=body, headers=headers).status_code == 415, kind
            asked = asker.http.post("/v2/models/flight-delay/infer", content=body, headers=headers)
            assert asked.status_code in (400, 415), kind
        named = {"rows": [golden["rows"][0] | {"dest": f"{address}/rows"}]}
        assert asker.http.post("/predict", content=json.dumps(named), headers=right).status_code == 200
    assert asker.http.post("/predict", content=accepted, headers=right).status_code == 200
    assert not mark.exists()
    assert Asked.paths == []
    assert "audit: " not in watched.text()[began:]

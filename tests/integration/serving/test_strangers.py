"""Strangers at the socket: what they send costs them their connection and nobody else anything."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.fixtures.servers import Server, wait_until
from tests.integration.serving.conftest import MODEL, Golden, NewClient, Start

FIRST = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
ALIVE = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"


@contextlib.contextmanager
def connected(server: Server, count: int = 1) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(count)
        ]


def everything(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def pour(connection: socket.socket, line: bytes, size: int) -> None:
    block = line * (65536 // len(line))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for _ in range(size // len(block)):
            connection.sendall(block)


ENDLESS = {
    "trailers": (FIRST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"a: b\r\n"),
    "one trailer": (FIRST + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: ", b"b"),
    "chunk extensions": (FIRST + b"transfer-encoding: chunked\r\n\r\n2;a=", b"b"),
    "chunk sizes": (FIRST + b"transfer-encoding: chunked\r\n\r\n", b"0"),
    "extensions of many chunks": (FIRST + b"transfer-encoding: chunked\r\n\r\n", b"1;" + b"x" * 60 + b"\r\n \r\n"),
    "tiny headers": (b"GET /livez HTTP/1.1\r\n", b"a:\r\n"),
    "folded header": (b"GET /livez HTTP/1.1\r\na: b\r\n", b" b\r\n"),
    "request line": (b"GET /", b"a"),
    "empty lines": (b"", b"\r\n"),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", ENDLESS)
def test_what_has_no_end_is_cut_and_takes_no_memory(server: Server, kind: str) -> None:
    start, line = ENDLESS[kind]
    httpx.get(f"{server.url}/livez")
    before = server.memory()
    began = time.monotonic()
    with connected(server) as [connection]:
        connection.sendall(start)
        pour(connection, line, 24 << 20)
        answer = everything(connection)
    assert time.monotonic() - began < 4
    assert not answer or answer.split()[1] in (b"400", b"401", b"431"), answer[:80]
    assert server.memory() - before < 16 << 20
    assert httpx.get(f"{server.url}/livez", timeout=1).status_code == 200


def test_a_large_head_is_answered_before_the_connection_ends(server: Server) -> None:
    with connected(server) as [connection]:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nx: " + b"y" * (40 << 10))
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["error"]


def test_a_trailer_is_no_header(server: Server, bearer: Callable[..., str], golden: Golden) -> None:
    body = json.dumps({"rows": golden["rows"][:1]}).encode()
    chunk = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(body), body)
    trailer = b"authorization: Bearer %b\r\n\r\n" % bearer().encode()
    with connected(server) as [connection]:
        connection.sendall(FIRST + chunk + trailer + ALIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        answers = everything(connection)
    assert answers.startswith(b"HTTP/1.1 401 ")
    assert answers.count(b"HTTP/1.1 200 ") == 1


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"gzip\r\ntransfer-encoding: chunked"])
def test_a_transfer_coding_that_is_not_read_is_refused(
    server: Server, bearer: Callable[..., str], golden: Golden, coding: bytes
) -> None:
    body = json.dumps({"rows": golden["rows"][:1]}).encode()
    head = FIRST + b"authorization: Bearer %b\r\ntransfer-encoding: %b\r\n\r\n" % (bearer().encode(), coding)
    with connected(server) as [connection]:
        connection.sendall(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert everything(connection).startswith(b"HTTP/1.1 501 ")


@pytest.mark.parametrize("name", ["authorization", "content-type", "content-encoding"])
def test_a_field_of_one_value_that_is_there_twice_is_refused(
    server: Server, bearer: Callable[..., str], golden: Golden, name: str
) -> None:
    usual = {"authorization": f"Bearer {bearer()}", "content-type": "application/json", "content-encoding": "identity"}
    body = json.dumps({"rows": golden["rows"][:1]})
    url = f"{server.url}/predict"
    assert httpx.post(url, content=body, headers=usual).status_code == 200
    others = {"authorization": "Bearer x", "content-type": "text/plain", "content-encoding": "gzip"}
    for fields in ([*usual.items(), (name, others[name])], [(name, others[name]), *usual.items()]):
        answer = httpx.post(url, content=body, headers=fields)
        assert (answer.status_code, answer.json()["detail"]) == (400, f"the header {name} is there 2 times")


UPGRADES = {
    "java": b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"Upgrade: h2c\r\n",
    "curl": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "several": b"Connection: upgrade\r\nUpgrade: TLS/1.0\r\nUpgrade: IRC/6.9\r\n",
}


@pytest.mark.parametrize("kind", UPGRADES)
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("pieces", [1, 50])
def test_an_unknown_upgrade_is_ignored_and_the_message_read(
    server: Server, bearer: Callable[..., str], golden: Golden, kind: str, chunked: bool, pieces: int
) -> None:
    body = json.dumps({"rows": golden["rows"][:1]}).encode()
    framed = b"%x\r\n%b\r\n0\r\nx: y\r\n\r\n" % (len(body), body) if chunked else body
    length = b"transfer-encoding: chunked\r\n" if chunked else b"content-length: %d\r\n" % len(body)
    head = FIRST + UPGRADES[kind] + length + b"authorization: Bearer %b\r\n\r\n" % bearer().encode()
    sent = (head + framed) * 2 + ALIVE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    size = -(-len(sent) // pieces)
    with connected(server) as [connection]:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        answers = everything(connection)
    assert answers.count(b"HTTP/1.1 ") == answers.count(b"HTTP/1.1 200 ") == 3, answers


@pytest.mark.parametrize(
    "first", [b"CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_no_tunnel_and_no_http2_is_opened(server: Server, first: bytes) -> None:
    with connected(server) as [connection]:
        connection.sendall(first + ALIVE)
        answers = everything(connection)
    assert len(re.findall(rb"HTTP/1\.1 \d", answers)) == 1
    assert answers.split()[1] in (b"400", b"501")


def test_what_follows_a_request_does_not_answer_for_it(server: Server) -> None:
    with connected(server) as [connection]:
        connection.sendall(ALIVE + b"\x00 is no request\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.long
def test_many_requests_at_once_take_little_memory(server: Server) -> None:
    before = server.memory()
    with connected(server, 20) as connections:
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20_000)
        assert all(everything(connection).count(b"HTTP/1.1 ") < 40 for connection in connections)
    assert server.memory() - before < 32 << 20


@pytest.mark.long
def test_line_ends_after_an_answer_keep_no_connection(start: Start) -> None:
    server: Server = start(keep_alive_seconds=1, journal="off")
    with connected(server) as [connection]:
        connection.sendall(ALIVE)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        began = time.monotonic()
        connection.settimeout(0.1)
        while time.monotonic() - began < 5:
            try:
                connection.sendall(b"\r\n")
                if not connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - began < 3


@pytest.mark.long
def test_an_answer_that_nobody_takes_keeps_no_connection(start: Start) -> None:
    server: Server = start(body_seconds=1, journal="off", auth="off")
    process = server.worker
    with connected(server) as [connection]:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            for _ in range(400):
                connection.sendall(
                    b"GET /docs HTTP/1.1\r\nhost: x\r\n\r\nGET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 5
                )
        wait_until(lambda: not established(process), 10, "the connection ending")


def established(process: psutil.Process) -> int:
    return sum(found.status == "ESTABLISHED" for found in process.net_connections("tcp"))


def probed(server: Server) -> bool:
    """Ask as kubelet does: one of three looks must be answered, since whoever comes may lose its place to the next."""
    for _ in range(3):
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200
    return False


@pytest.mark.long
@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nx: ", FIRST + b"content-length: 9\r\n\r\n{", ALIVE])
def test_whoever_holds_every_connection_keeps_no_probe_out(start: Start, sent: bytes) -> None:
    server: Server = start(max_connections=60, header_seconds=60, body_seconds=60, journal="off", auth="off")
    process = server.worker
    with connected(server, 300) as connections:
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(sent)
        for _ in range(10):
            assert probed(server)
        assert established(process) <= 60
    text = httpx.get(f"{server.url}/metrics").text
    assert 'slipway_shed_total{reason="connections"}' in text


def test_one_caller_with_slow_bodies_keeps_nobody_out(
    start: Start, client: NewClient, bearer: Callable[..., str], golden: Golden
) -> None:
    limits = {"burst_limit": "10000/second", "sustained_limit": "90000/minute"}
    server: Server = start(max_concurrency=8, body_seconds=20, journal="off", **limits)
    head = FIRST + b"content-length: 99\r\nauthorization: Bearer %b\r\n\r\n{" % bearer("mallory").encode()
    with connected(server, 130) as connections:
        for connection in connections:
            connection.sendall(head)
        found = [connection.recv(65536) for connection in connections[-10:]]
        assert all(answer.startswith(b"HTTP/1.1 429 ") for answer in found), found[0]
        for _ in range(5):
            assert client(server, "alice").predict(golden["rows"][:1]).status_code == 200


@pytest.mark.long
def test_too_few_descriptors_are_refused_and_a_low_limit_is_raised(start: Start, tmp_path: Path) -> None:
    low: Server = start(max_connections=200, journal="off", prefix=("prlimit", "--nofile=100:1000"))
    assert low.worker.rlimit(psutil.RLIMIT_NOFILE)[0] >= 328
    refused = Server(MODEL, tmp_path, auth="off", journal="off", max_connections=900)
    refused.begin(prefix=("prlimit", "--nofile=100:1000"))
    assert refused.process.wait(30) == 4
    assert "SLIPWAY_MAX_CONNECTIONS=872" in refused.text()


@pytest.mark.long
def test_accepting_goes_on_after_descriptors_ran_out(start: Start) -> None:
    server: Server = start(max_connections=200, journal="off")
    process = server.worker
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + 5, limits[1]))
    with connected(server, 50):
        wait_until(lambda: "Too many open files" in server.text(), what="descriptors running out")
        assert httpx.get(f"{server.url}/readyz", timeout=5).status_code == 200
    process.rlimit(psutil.RLIMIT_NOFILE, limits)
    with connected(server, 50):
        assert httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200


HALF = '"\\ud800"'
ODD_BODIES = {
    "name": f'{{"rows": [{{{HALF}: 1}}]}}',
    "value": f'{{"rows": [{{"carrier": {HALF}}}]}}',
    "twice": f'{{"rows": [{{{HALF}: 1, {HALF}: 2}}]}}',
    "column": f'{{"columns": {{{HALF}: [1]}}}}',
    "rows": f'{{"rows": {HALF}}}',
}


@pytest.mark.parametrize("kind", ODD_BODIES)
def test_half_of_a_surrogate_pair_is_answered_counted_and_logged(server: Server, client: NewClient, kind: str) -> None:
    caller = client(server)
    headers = {"content-type": "application/json"}
    answer = caller.http.post("/predict", content=ODD_BODIES[kind].encode(), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    wait_until(lambda: answer.headers["x-request-id"] in server.text(), what="its line in the log")


@pytest.mark.parametrize("line", [b"GET /\xff", b"GET /%ff%0d%0a%00", b"GET /%ed%a0%80", b"GET /predictions/%ed%a0%80",
                                  b"FOO /", b"GET http://[", b"GET *", b"GET //", b"GET /?\xff"])  # fmt: skip
def test_odd_paths_are_answered_and_logged(server: Server, client: NewClient, line: bytes) -> None:
    before = client(server).metric("slipway_request_seconds_count", route="unknown")
    with connected(server) as [connection]:
        connection.sendall(line + b" HTTP/1.1\r\nhost: \xff\r\nx-odd: \xed\xa0\x80\xff\r\nconnection: close\r\n\r\n")
        head = everything(connection).partition(b"\r\n\r\n")[0]
    assert head.split()[1] in (b"400", b"401", b"404"), head
    wait_until(lambda: client(server).metric("slipway_request_seconds_count", route="unknown") > before
               or b"401" in head.splitlines()[0], what="the count")  # fmt: skip
    identifier = next(line.split(b": ")[1] for line in head.splitlines() if line.startswith(b"x-request-id"))
    wait_until(lambda: identifier.decode() in server.text(), what="its line in the log")

"""Which connections a server keeps, by the role that its pod has."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from serving.http.role import IDLE_SECONDS
from tests.fixtures.servers import Server, wait_until
from tests.integration.serving.conftest import Start

REQUEST = b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n"
SECONDS = 10.0


class Line:
    """One connection that is kept alive, request after request."""

    def __init__(self, server: Server) -> None:
        address = urlsplit(server.url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=SECONDS)

    def ask(self) -> bool:
        """Ask; say whether the server keeps the connection."""
        self._socket.sendall(REQUEST)
        answer = b""
        while not answer.endswith(b"}"):
            received = self._socket.recv(65536)
            assert received, f"cut after {answer!r}"
            answer += received
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return b"connection: close" not in answer.lower()

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()

    def ended(self) -> bool:
        """Wait for the server to end the connection; say whether it did so without an error."""
        return self._socket.recv(1) == b""


@pytest.fixture
def line() -> Iterator[Callable[[Server], Line]]:
    made: list[Line] = []

    def connect(server: Server) -> Line:
        made.append(Line(server))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture
def role(tmp_path: Path) -> Path:
    file = tmp_path / "role"
    file.write_text("active")
    return file


@pytest.mark.long
def test_a_server_that_is_no_longer_active_ends_every_connection_without_an_error(
    start: Start, role: Path, line: Callable[[Server], Line]
) -> None:
    server: Server = start(journal="off", role_file=role)
    busy, idle = line(server), line(server)
    assert all(one.ask() for one in (busy, idle) for _ in range(3))

    role.write_text("")
    began = time.monotonic()
    while busy.ask():
        assert time.monotonic() - began < SECONDS, "a connection in use is kept"
    assert busy.ended()
    assert idle.ended()
    assert time.monotonic() - began < IDLE_SECONDS + 3
    assert not line(server).ask()

    role.write_text("active\n")
    while not (again := line(server)).ask():
        assert time.monotonic() - began < SECONDS, "the server does not know that it is active again"
    assert again.ask()


@pytest.mark.long
def test_only_the_active_role_keeps_connections(start: Start, role: Path, line: Callable[[Server], Line]) -> None:
    server: Server = start(journal="off", role_file=role)
    for content in (b"preview", b"", b"inactive", b"\xff", None):
        role.write_bytes(b"active")
        wait_until(lambda: line(server).ask(), SECONDS, "active")
        role.unlink() if content is None else role.write_bytes(content)
        wait_until(lambda: not line(server).ask(), SECONDS, f"the role {content!r}")


def test_without_a_file_every_connection_is_kept(start: Start, line: Callable[[Server], Line]) -> None:
    assert line(start(journal="off")).ask()

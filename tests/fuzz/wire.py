"""A connection in memory: the server's own protocol, a transport that keeps what is written, a small application."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import uvicorn
from uvicorn.server import ServerState

from serving.http import connection
from serving.http.connection import NEVER, BoundedProtocol

# Small enough that a fuzzer reaches them.
SMALL_BOUNDS = {"LARGEST_HEAD": 600, "MOST_FIELDS": 12, "MOST_PIPELINED": 4, "SLICE": 256}
TURNS = 4
MOST_TURNS = 200


class Message(NamedTuple):
    """A request as the application saw it, `whole` when all of its body came."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    whole: bool


class Wire(asyncio.Transport):
    """Keeps what the protocol writes; closes when told."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: BoundedProtocol) -> None:
        super().__init__()
        self.sent = bytearray()
        self.reading = True
        self.closed = False
        self._loop, self._protocol = loop, protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        if not self.closed:
            self.sent += data

    def write_eof(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close


class Exchange:
    """One connection, from its first byte to its end; `early` answers each request before its body is read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, early: bool) -> None:
        self.messages: list[Message] = []
        self.refused: list[int] = []
        self._loop, self._early = loop, early
        config = uvicorn.Config(
            self._answer, interface="asgi3", proxy_headers=False, log_config=None, access_log=False, ws="none"
        )
        config.load()
        self._state = ServerState()
        bounds = connection.Bounds(refused=lambda problem, _: self.refused.append(problem.status))
        self.protocol: Any = connection.protocol(bounds)(
            config=config, server_state=self._state, app_state={}, _loop=loop
        )
        self.wire = Wire(loop, self.protocol)
        self.protocol.connection_made(self.wire)

    def feed(self, pieces: Iterable[bytes]) -> None:
        """Send the pieces one after another, letting the application work in between."""
        for piece in pieces:
            self._turn(lambda: self.wire.reading)
            if self.wire.closed or not piece:
                break
            self.protocol.data_received(piece)
            self._turn()
        self._turn(lambda: not self._state.tasks)

    def end(self) -> None:
        """Let the time of whatever is awaited be over; the connection must end by that, and every task with it."""
        for _ in range(3):
            if self.wire.closed:
                break
            assert self.protocol.due < NEVER, "a connection that waits for its client has no time limit"
            self.protocol.overdue()
            self._turn()
        assert self.wire.closed, "a connection outlives its time"
        self._turn(lambda: not self._state.tasks)
        assert not self._state.tasks, "a request outlives its connection"

    def _turn(self, until: Any = None) -> None:
        for turn in range(TURNS if until is None else MOST_TURNS):
            if until is not None and until() and turn >= TURNS:
                return
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        place = len(self.messages)
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        head = scope["method"].encode(), scope["raw_path"] + query, list(scope["headers"])
        self.messages.append(Message(*head, b"", False))
        body, whole = (b"", False) if self._early else await _read(receive)
        self.messages[place] = Message(*head, body, whole)
        headers = [(b"content-length", b"%d" % len(body)), (b"place", b"%d" % place)]
        with contextlib.suppress(RuntimeError):  # uvicorn's, where the client is gone
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> tuple[bytes, bool]:
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body, False
        body += message["body"]
        if not message.get("more_body"):
            return body, True


@contextlib.contextmanager
def small_bounds(wanted: bool) -> Iterator[None]:
    """Make the connection's bounds small while the block lasts."""
    usual = {name: getattr(connection, name) for name in SMALL_BOUNDS}
    for name, value in (SMALL_BOUNDS if wanted else {}).items():
        setattr(connection, name, value)
    try:
        yield
    finally:
        for name, value in usual.items():
            setattr(connection, name, value)


class Loop:
    """An event loop that keeps what failed in it unseen."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        atexit.register(self.loop.close)
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, context: self.failures.append(context))

"""uvicorn's HTTP protocol with the bounds it lacks: time for a request to arrive, size of its head.

No timer a request: when a request is due is noted on the connection, and one
sweep over all connections cuts who is late.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD = 32 << 10
SWEEP_SECONDS = 0.25
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
NEVER = float("inf")


class BoundedProtocol(HttpToolsProtocol):
    """Note when the request being read is due."""

    header_seconds = 5.0
    body_seconds = 5.0
    due = NEVER
    _head_bytes = 0
    _in_head = False

    def connection_made(self, transport: Any) -> None:
        """Expect a first request's head."""
        super().connection_made(transport)
        self.due = self.loop.time() + self.header_seconds

    def data_received(self, data: bytes) -> None:
        """Read on; cut a head that does not end."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LARGEST_HEAD:
                self.cut(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Expect the rest of the head."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        self.due = self.loop.time() + self.header_seconds

    def on_headers_complete(self) -> None:
        """Expect the body."""
        self._in_head = False
        self.due = self.loop.time() + self.body_seconds
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect nothing: the client has done its part."""
        self.due = NEVER
        super().on_message_complete()

    def cut(self, answer: bytes) -> None:
        """Answer and close, whatever comes still."""
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(answer)
            self.transport.close()


async def sweep(connections: set[Any]) -> None:
    """Cut the connections whose request is overdue, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = loop.time()
        for connection in [c for c in connections if isinstance(c, BoundedProtocol) and c.due < now]:
            connection.cut(TOO_SLOW)


def protocol(header_seconds: float, body_seconds: float) -> type[BoundedProtocol]:
    """Make a protocol class with these bounds."""
    return type("Bounded", (BoundedProtocol,), {"header_seconds": header_seconds, "body_seconds": body_seconds})

"""uvicorn's HTTP protocol with the bounds it lacks.

A message has a time to arrive, and a size for everything in it that is not its
body: head, framing of chunks, trailers. A request to upgrade is read as the
plain request that it also is. An answer has a time to be taken.

No timer a request: when something is due is noted on the connection, and one
sweep over all connections cuts who is late.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http import refusals
from serving.http.problem import Problem
from serving.http.trace import new_request_id
from serving.http.upgrade import plain_head

LARGEST_HEAD = 32 << 10
MOST_FIELDS = 128
# Requests that wait while one is answered; past it the connection ends after their answers.
MOST_PIPELINED = 16
# As much is parsed before the bounds are looked at.
SLICE = 16 << 10
# What a chunk may cost beside its content: its size in hexadecimal and two line ends.
CHUNK_BYTES = 12
# How long the rest of a refused message is thrown away, so that the client can read the refusal.
LINGER_SECONDS = 1.0
NEVER = float("inf")

IDLE, HEAD, BODY = range(3)


@dataclass(frozen=True)
class Bounds:
    """How many seconds a connection has for each part, and who hears what it refused."""

    header_seconds: float = 5.0
    body_seconds: float = 5.0
    keep_alive_seconds: float = 75.0
    refused: Callable[[Problem, str], None] = lambda problem, request_id: None  # noqa: ARG005 - not reported


class BoundedProtocol(HttpToolsProtocol):
    """One connection: the part of a message it waits for, until when, and since when nothing was asked."""

    bounds = Bounds()
    due = NEVER
    since = 0.0
    ended = False
    phase = IDLE
    _loose = 0  # bytes of this message that are not its body, less what its chunks may cost
    _blocked = False
    _spared = False  # it was not ended when it could have been, since something had come
    _refusal: Problem | None = None

    def connection_made(self, transport: Any) -> None:
        """Expect a first request's head."""
        super().connection_made(transport)
        self.headers = []
        self.since = self.loop.time()
        self.due = self.since + self.bounds.header_seconds

    def data_received(self, data: bytes) -> None:
        """Parse what has come, a slice at a time."""
        if len(data) <= SLICE:
            self._feed(data)
            return
        view = memoryview(data)
        for start in range(0, len(data), SLICE):
            self._feed(view[start : start + SLICE])

    def on_message_begin(self) -> None:
        """Expect the rest of the head."""
        super().on_message_begin()
        self.phase = HEAD
        self.due = self.loop.time() + self.bounds.header_seconds

    def on_headers_complete(self) -> None:
        """Begin to answer, and expect the body."""
        if self.parser.should_upgrade():  # `_read_as_plain` comes here again
            return
        if len(self.headers) > MOST_FIELDS or (self._loose > LARGEST_HEAD and self._head_bytes() > LARGEST_HEAD):
            self._stop(refusals.HEAD_TOO_LARGE)
        if len(self.pipeline) >= MOST_PIPELINED:
            self._stop(refusals.MALFORMED)
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            self._stop(refusals.UNKNOWN_CODING)
        super().on_headers_complete()
        self.headers = []  # a trailer is not a header: what comes after the body is bounded and dropped
        self.phase = BODY
        self.due = self.loop.time() + self.bounds.body_seconds

    def on_chunk_header(self) -> None:
        """Let a chunk have its framing."""
        self._loose -= CHUNK_BYTES

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body, unless the answer was given without it."""
        self._loose -= len(body)
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Expect nothing while the request is answered: the client has done its part."""
        if self.parser.should_upgrade():
            return
        self.phase = IDLE
        self._loose = 0
        cycle = self.cycle
        if cycle.response_complete:
            self._expect_next()
            return
        self.due = NEVER
        cycle.more_body = False
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        """Answer the next request that waits, or expect one."""
        self.server_state.total_requests += 1
        self.since = self.loop.time()
        self._spared = False
        if self.transport.is_closing():  # what is still to be sent has a time to be taken
            self.ended = True
            self.due = self.since + self.bounds.body_seconds
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.phase == IDLE:
            self.due = self.since + self.bounds.keep_alive_seconds

    def pause_writing(self) -> None:
        """Expect that the client takes its answers."""
        super().pause_writing()
        self._blocked = True
        self.since = self.loop.time()
        self.due = self.since + self.bounds.body_seconds

    def resume_writing(self) -> None:
        """Expect what was expected before: the client has taken its answers."""
        super().resume_writing()
        self._blocked = False
        if self.phase == IDLE and not self.ended:
            self._expect_next()
        else:
            self.due = self.loop.time() + self.bounds.body_seconds

    @property
    def at_work(self) -> bool:
        """Whether a request is being answered whose body is there."""
        return self._answering() and not (self.phase == BODY or self._blocked or self.ended)

    def overdue(self) -> None:
        """End a connection whose time is over."""
        if self.ended or self._blocked:
            self.evict()
        elif self.phase == IDLE:
            if not self._asked_meanwhile():
                self._end(None)
        else:
            self.refuse(refusals.TOO_SLOW)

    def end_idle(self, seconds: float) -> None:
        """End the connection if nothing has come on it for `seconds` since its last answer."""
        answered = self.cycle is not None and self.cycle.response_complete
        idle = answered and self.phase == IDLE and not self.ended and self.loop.time() - self.since >= seconds
        if idle and not self._asked_meanwhile():
            self._end(None)

    def evict(self) -> None:
        """Close at once, whatever was still to be sent."""
        self.ended = True
        self.due = NEVER
        self.server_state.connections.discard(self)  # at once: its place is taken before the loop tells
        self.transport.abort()

    def refuse(self, problem: Problem) -> None:
        """End the connection with this answer, unless it would be taken for another's."""
        if self.ended:
            return
        cycle = self.cycle
        if not self._answering():
            self._end(None if self.phase == BODY else problem)
        elif self.phase != BODY:  # the requests before are answered, then the connection ends
            cycle.keep_alive = False
            self.ended = True
            self.due = NEVER
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._end(None if self.pipeline or cycle.response_started else problem)

    def _asked_meanwhile(self) -> bool:
        """Whether something has come that the loop has had no time to read: once an answer, it is read and answered.

        Where the processor is scarce, requests wait in the socket of a connection that seems idle; to close it then
        would lose them.
        """
        if self._spared:
            return False
        descriptor = self.transport.get_extra_info("socket")
        if descriptor is not None and descriptor.fileno() >= 0:
            poll = select.poll()
            poll.register(descriptor.fileno(), select.POLLIN)
            self._spared = bool(poll.poll(0))
        return self._spared

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_next(self) -> None:
        self.due = NEVER if self._answering() else self.loop.time() + self.bounds.keep_alive_seconds

    def _end(self, problem: Problem | None) -> None:
        self.ended = True
        self.due = self.loop.time() + LINGER_SECONDS
        if problem is None:
            self.transport.close()
            return
        request_id = new_request_id()
        self.transport.write(refusals.answer(problem, request_id))
        self.transport.write_eof()
        self.flow.resume_reading()
        self.bounds.refused(problem, request_id)

    def _feed(self, data: bytes | memoryview) -> None:
        if self.ended:
            return
        self._loose += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_as_plain(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError:
            self.refuse(self._refusal or refusals.MALFORMED)
        if self._loose > LARGEST_HEAD or len(self.headers) > MOST_FIELDS:
            self.refuse(refusals.HEAD_TOO_LARGE)

    def _read_as_plain(self, rest: bytes) -> None:
        """Parse a request to upgrade again, without the upgrade, which a server may ignore (RFC 9110, 7.8)."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.refuse(refusals.NO_TUNNEL)
            return
        head = plain_head(method, self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self._loose = 0
        self._feed(head)
        self._feed(rest)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)

    def _stop(self, problem: Problem) -> NoReturn:
        self._refusal = problem
        raise _Stop


class _Stop(Exception):
    """End the parsing of what has come."""


def protocol(bounds: Bounds) -> type[BoundedProtocol]:
    """Make a protocol class with these bounds."""
    return type("Bounded", (BoundedProtocol,), {"bounds": bounds})

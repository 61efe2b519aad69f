"""A request and an answer, as the handlers see them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from serving.http.principal import ANONYMOUS, Principal
from serving.http.problem import Problem

JSON = b"application/json"
Headers = list[tuple[bytes, bytes]]
# Fields of one value that decide who asks for what.
SINGLE = (b"authorization", b"host", b"content-type", b"content-encoding", b"inference-header-content-length")


class Response(NamedTuple):
    """What a handler gives back."""

    status: int
    body: bytes
    media_type: bytes = JSON
    headers: Headers = []  # noqa: RUF012 - a NamedTuple's default, never changed


class Memory(Protocol):
    """Gives bytes to holders as far as there are any, and takes them back."""

    def take(self, wanted: str, size: int) -> str: ...
    def give(self, holder: str, size: int) -> None: ...


class Request:
    """A request: its head, who asks, and its body when it is asked for."""

    __slots__ = (
        "arrived", "client_id", "headers", "id", "path", "place", "principal", "receive", "route", "rows", "scope",
        "started", "trace",
    )  # fmt: skip

    def __init__(self, scope: Any, receive: Any) -> None:
        self.started = self.arrived = time.perf_counter()
        self.scope = scope
        self.receive = receive
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.id = ""
        self.client_id = ""  # what the client called it, where that is not an id of ours
        self.trace: tuple[str, str] | None = None
        self.principal: Principal = ANONYMOUS
        self.route = "unknown"
        self.rows = 0
        self.place: str | None = None

    def refuse_repeated(self) -> None:
        """Refuse a field that is there twice where two servers might read another of them.

        Raises:
            Problem: 400.
        """
        if len(self.headers) == len(self.scope["headers"]):
            return
        count = Counter(name for name, _ in self.scope["headers"])
        for name in SINGLE:
            if count[name] > 1:
                raise Problem(400, f"the header {name.decode()} is there {count[name]} times", kind="header-repeated")

    @property
    def caller(self) -> str:
        """Who holds what this request takes up: its subject, or its address where no token is needed."""
        if self.principal is not ANONYMOUS:
            return self.principal.subject
        return str((self.scope.get("client") or ("",))[0])

    async def body(self, most_bytes: int, seconds: float | None, memory: Memory) -> bytes:
        """Read the body; `seconds` is None where the connection itself cuts slow clients.

        What has come of a body that comes in parts takes up its bytes of `memory`.

        Raises:
            Problem: 413 too large, 408 too slow, 400 the client went away, 429 or 503 too much is arriving.
        """
        message = await self._next(seconds)
        if not message.get("more_body"):
            body: bytes = message["body"]
            if len(body) > most_bytes:
                raise too_large(most_bytes)
            return body
        held: list[tuple[str, int]] = []
        try:
            return await self._rest(message["body"], most_bytes, seconds, memory, held)
        finally:
            for holder, size in held:
                memory.give(holder, size)

    async def _rest(
        self, part: bytes, most_bytes: int, seconds: float | None, memory: Memory, held: list[tuple[str, int]]
    ) -> bytes:
        body = bytearray()
        more = True
        while True:
            held.append((memory.take(self.caller, len(part)), len(part)))
            body += part
            if len(body) > most_bytes:
                raise too_large(most_bytes)
            if not more:
                return bytes(body)
            left = None if seconds is None else self.started + seconds - time.perf_counter()
            message = await self._next(left)
            part, more = message["body"], bool(message.get("more_body"))

    async def _next(self, seconds: float | None) -> dict[str, Any]:
        message: dict[str, Any]
        if seconds is None:
            message = await self.receive()
        else:
            try:
                message = await asyncio.wait_for(self.receive(), max(seconds, 0))
            except TimeoutError:
                raise Problem(408, "the body did not arrive in time", kind="too-slow", headers=CLOSE) from None
        if message["type"] != "http.request":
            raise Problem(400, "the client went away", kind="gone")
        return message


Handler = Callable[[Request], Awaitable[Response]]
CLOSE: Headers = [(b"connection", b"close")]


def too_large(most_bytes: int) -> Problem:
    """Say that a body is too large; the connection cannot be used again, its rest is not read."""
    return Problem(413, f"the body must have at most {most_bytes} bytes", kind="too-large", headers=CLOSE)

"""Accepts connections, at most as many as fit.

When the bound is reached, connections that wait for their client are closed in
favour of the new one, so that strangers who hold all of them keep nobody out,
probes least of all. When descriptors run out all the same, accepting goes on
as soon as there are some again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from serving.http.connection import BoundedProtocol
from slipway.errors import Unavailable

logger = logging.getLogger(__name__)

# Accepted in one turn of the event loop.
AT_ONCE = 64
RETRY_SECONDS = 0.1
WARN_SECONDS = 10.0
STARVED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def bind(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen on every address of a host.

    Raises:
        Unavailable: an address cannot be had.
    """
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            listening = socket.create_server(address, family=family, backlog=backlog)
            listening.setblocking(False)
            bound.append(listening)
    except OSError as error:
        for listening in bound:
            listening.close()
        raise Unavailable(
            f"cannot listen on {host}:{port}",
            expected="an address of this machine and a free port",
            found=str(error),
            hint="set SLIPWAY_HOST and SLIPWAY_PORT, or stop what listens there",
        ) from None
    return bound


class Listener:
    """Hands accepted connections to protocols that `make` makes; `connections` are those that are open."""

    def __init__(
        self,
        sockets: list[socket.socket],
        make: Callable[[], BoundedProtocol],
        connections: set[BoundedProtocol],
        most: int,
        shed: Callable[[str], None],
    ) -> None:
        self.sockets = sockets
        self._make = make
        self._connections = connections
        self._most = most
        self._shed = shed
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[Any]] = set()
        self._warned = -WARN_SECONDS
        for listening in sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Listen no more."""
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self.sockets = []

    async def wait_closed(self) -> None:
        """Return: what `close` does is done at once."""

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._failed(listening, error)
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if not make_room(self._connections, self._most, self._shed):
            connection.close()
            return
        connection.setblocking(False)
        protocol = self._make()
        self._connections.add(protocol)
        task = self._loop.create_task(self._begin(connection, protocol))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket, protocol: BoundedProtocol) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # gone already
            self._connections.discard(protocol)
            connection.close()

    def _failed(self, listening: socket.socket, error: OSError) -> None:
        """Try again in a moment: the connection that could not be accepted waits in the kernel."""
        if error.errno not in STARVED:
            logger.warning("a connection could not be accepted: %s", error)
            return
        self._shed("descriptors")
        if time.monotonic() - self._warned > WARN_SECONDS:
            self._warned = time.monotonic()
            logger.error("connections cannot be accepted: %s", error)
        _evict_waiting(self._connections, self._most, self._shed)
        self._loop.remove_reader(listening)
        self._loop.call_later(RETRY_SECONDS, self._again, listening)

    def _again(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)


def make_room(connections: set[BoundedProtocol], most: int, shed: Callable[[str], None]) -> bool:
    """Say whether one more connection fits, closing some that wait for their client where none would."""
    if len(connections) < most or _evict_waiting(connections, most, shed):
        return True
    shed("connections")
    return False


def _evict_waiting(connections: set[BoundedProtocol], most: int, shed: Callable[[str], None]) -> bool:
    """Close some connections that wait for their client; say whether there were any."""
    waiting = [c for c in connections if c.transport is not None and not c.at_work]
    addresses = Counter(c.client and c.client[0] for c in waiting)
    # Who holds most loses first; of one address, what has waited longest.
    waiting.sort(key=lambda c: (-addresses[c.client and c.client[0]], c.since))
    for connection in waiting[: max(1, most // 64)]:
        shed("connections")
        connection.evict()
    return bool(waiting)

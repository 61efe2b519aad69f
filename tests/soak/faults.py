"""What goes wrong in a soak: each fault is a block, over when it ends."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from tests.fixtures.servers import Postgres, Redis, Server
from tests.soak.provider import Provider

STRANGERS = 60
PARTS = (
    b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
    b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
    b"GET /livez HTTP/1.1\r\nhost: x\r\nx: ",
    b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * 40,
    b"POST / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: 9\r\n\r\nabc",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"",
)


class Faults:
    """The faults by name, on the parts of one soak."""

    def __init__(self, server: Server, postgres: Postgres, redis: Redis, provider: Provider) -> None:
        self._server, self._postgres, self._redis, self._provider = server, postgres, redis, provider
        self.all: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "database killed": self.database_killed,
            "database stopped": self.database_stopped,
            "redis killed": self.redis_killed,
            "redis stopped": self.redis_stopped,
            "keys hang": lambda: self.keys("hanging"),
            "keys are garbage": lambda: self.keys("garbage"),
            "keys are cut": lambda: self.keys("cut"),
            "strangers": lambda: self.strangers(half_closed=False),
            "half-closed strangers": lambda: self.strangers(half_closed=True),
            "server stopped": self.server_stopped,
        }

    @contextmanager
    def database_killed(self) -> Iterator[None]:
        """Kill PostgreSQL; the spool fills, past its small limit where this takes long."""
        self._postgres.kill()
        yield
        self._postgres.restart()

    @contextmanager
    def database_stopped(self) -> Iterator[None]:
        """Let PostgreSQL keep its connections and answer nothing."""
        self._postgres.pause()
        yield
        self._postgres.resume()

    @contextmanager
    def redis_killed(self) -> Iterator[None]:
        """Kill Redis."""
        self._redis.kill()
        yield
        self._redis.start()

    @contextmanager
    def redis_stopped(self) -> Iterator[None]:
        """Let Redis answer nothing."""
        self._redis.pause()
        yield
        self._redis.resume()

    @contextmanager
    def keys(self, how: str) -> Iterator[None]:
        """Let the provider of keys fail in one of its ways."""
        self._provider.become(how)
        yield
        self._provider.become("keys")

    @contextmanager
    def strangers(self, half_closed: bool) -> Iterator[None]:
        """Open connections that send a part of something, and hold them."""
        with ExitStack() as stack:
            for number in range(STRANGERS):
                with contextlib.suppress(OSError):
                    made = stack.enter_context(socket.create_connection(("127.0.0.1", self._server.port), timeout=5))
                    made.sendall(PARTS[number % len(PARTS)])
                    if half_closed:
                        made.shutdown(socket.SHUT_WR)
            yield

    @contextmanager
    def server_stopped(self) -> Iterator[None]:
        """Stop the server for about a second, as a frozen virtual machine does."""
        self._server.process.send_signal(signal.SIGSTOP)
        time.sleep(1.0)
        self._server.process.send_signal(signal.SIGCONT)
        yield

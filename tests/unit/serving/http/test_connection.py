"""An idle connection is ended, and never under a request that has come and was not read yet."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from serving.http import connection

REQUEST = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
ENDINGS = [
    pytest.param(lambda one: one.end_idle(1.0), id="no longer active"),
    pytest.param(lambda one: one.overdue(), id="kept long enough"),
]


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def with_one(use: Callable[[Any, socket.socket], Any]) -> None:
    """Call `use` with a connection that was answered once and then idle for a minute, and with its client."""
    loop, made = asyncio.get_running_loop(), []
    config = uvicorn.Config(application, interface="asgi3", log_config=None, access_log=False, ws="none")
    config.load()

    def make() -> Any:
        made.append(connection.protocol(connection.Bounds())(config=config, server_state=ServerState(), app_state={}))
        return made[-1]

    server = await loop.create_server(make, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.setblocking(False)
        await loop.sock_sendall(client, REQUEST)
        assert (await loop.sock_recv(client, 4096)).endswith(b"ok")
        made[0].since -= 60
        await use(made[0], client)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("end", ENDINGS)
def test_a_connection_on_which_nothing_came_is_ended(end: Callable[[Any], None]) -> None:
    async def use(one: Any, client: socket.socket) -> None:
        end(one)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5) == b""

    asyncio.run(with_one(use))


@pytest.mark.parametrize("end", ENDINGS)
def test_a_request_that_waits_in_the_socket_is_answered(end: Callable[[Any], None]) -> None:
    async def use(one: Any, client: socket.socket) -> None:
        client.send(REQUEST)  # the loop has not run since: it knows nothing of it
        end(one)
        assert (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5)).endswith(b"ok")
        one.since -= 60
        end(one)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5) == b""

    asyncio.run(with_one(use))


@pytest.mark.parametrize("end", ENDINGS)
def test_line_ends_spare_a_connection_once(end: Callable[[Any], None]) -> None:
    async def use(one: Any, client: socket.socket) -> None:
        for _ in range(2):
            client.send(b"\r\n")
            end(one)
            await asyncio.sleep(0.01)
        with contextlib.suppress(ConnectionResetError):  # by what was never read
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5) == b""

    asyncio.run(with_one(use))

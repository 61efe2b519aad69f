"""What BentoML's own server lacks, added in its worker where it lets one: bounds of connections, and draining.

A worker loads the service before it makes its server, and uvicorn takes the protocol of a server that names none from
a table; `bound_connections` puts ours there. Draining goes before the handler of SIGTERM that uvicorn has installed.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import bentoml
from uvicorn import config as uvicorn_config

from serving.app import refused
from serving.http import connection, listener, role, sweep
from serving.parts import Parts
from serving.settings import Settings
from slipway.errors import BadInput

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
PROTOCOLS: dict[str, Any] = uvicorn_config.HTTP_PROTOCOLS
UNNAMED = "auto"  # the protocol of a server that names none


class ProtocolFactory:
    """Makes the protocol of each connection: the bounds of `parts`, and at most as many as its settings allow."""

    def __init__(self) -> None:
        self.parts: Parts | None = None
        self._make: type[connection.BoundedProtocol] | None = None

    def __call__(self, **arguments: Any) -> connection.BoundedProtocol:
        """Make a connection's protocol; uvicorn calls it with its own arguments."""
        if self._make is None:
            self._make = self._opened(arguments["server_state"].connections)
        return self._make(**arguments)

    def _opened(self, connections: set[Any]) -> type[connection.BoundedProtocol]:
        parts = self.parts
        assert parts is not None, "the service has not started"  # noqa: S101 - uvicorn listens after it
        chosen = parts.settings
        parts.tasks.keep("connections", lambda: sweep.sweep(connections))
        parts.tasks.keep("role", lambda: _follow(parts, connections))
        bounds = connection.Bounds(
            chosen.header_seconds, chosen.body_seconds, chosen.keep_alive_seconds, partial(refused, parts)
        )
        room = partial(listener.make_room, connections, chosen.max_connections, parts.shedder.count)
        return type("Counted", (_Counted,), {"bounds": bounds, "room": staticmethod(room)})


class _Counted(connection.BoundedProtocol):
    """A bounded connection that takes its place from those that wait, or is closed."""

    room: Callable[[], bool]

    def connection_made(self, transport: Any) -> None:
        """Count it, then expect a first request's head."""
        has_place = self.room()
        super().connection_made(transport)
        if not has_place:
            self.evict()


_protocols = ProtocolFactory()


def bound_connections() -> None:
    """Give the server that this worker of BentoML will make our protocol; do nothing in another process."""
    if bentoml.server_context.worker_index is not None:
        PROTOCOLS[UNNAMED] = _protocols


def bounded() -> bool:
    """Say whether connections are bounded: head, body, number, idle time."""
    return PROTOCOLS[UNNAMED] is _protocols


def environment(given: Mapping[str, str], bento: bentoml.Bento | None) -> dict[str, str]:
    """Return the environment with the Bento's own model as SLIPWAY_MODEL, unless that is set."""
    held = bento.info.all_models if bento is not None else []
    if "SLIPWAY_MODEL" in given or not held:
        return dict(given)
    return {**given, "SLIPWAY_MODEL": bentoml.models.get(held[0].tag).path}


def refuse_relative(chosen: Settings, bento: bentoml.Bento | None) -> None:
    """Refuse a relative path where the folder that it starts from is the Bento's own, which packaging replaces.

    Raises:
        BadInput: a setting is one.
    """
    paths = {
        "SLIPWAY_MODEL": str(chosen.model),
        "SLIPWAY_JWKS": "" if "://" in chosen.jwks else chosen.jwks,
        "SLIPWAY_SMOKE_JWKS": chosen.smoke_jwks,
        "SLIPWAY_ROLE_FILE": chosen.role_file,
        "SLIPWAY_SPOOL": str(chosen.spool) if chosen.journal_on else "",
    }
    relative = [name for name, path in paths.items() if path and not Path(path).is_absolute()]
    if bento is not None and relative:
        name = relative[0]
        raise BadInput(
            f"{name} is relative, and BentoML serves from the Bento's own folder",
            expected="an absolute path",
            found=paths[name],
            hint=f"{name}=$PWD/{paths[name]}",
        )


def begin(parts: Parts) -> None:
    """Bound connections by `parts`, drain at SIGTERM, and log what this server lacks; needs a running loop."""
    _protocols.parts = parts
    drain_first(parts)
    logger.warning(
        "served by BentoML's server: it ends a request after 30 s, costs two to four times the CPU of `slipway serve`, "
        "and its supervisor listens on loopback without a login (docs/reference/bento.md)"
    )
    if not bounded():
        logger.warning("CONNECTIONS ARE NOT BOUNDED: put a proxy that bounds heads and connections in front")


def drain_first(parts: Parts) -> None:
    """Let SIGTERM begin to drain; what handled it stops the server `drain_seconds` later, or at the second signal."""
    stop: Any = signal.getsignal(signal.SIGTERM)
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        if parts.draining:
            stop(number, frame)
            return
        parts.draining = True
        seconds = parts.settings.drain_seconds
        logger.warning("draining for %g s", seconds)
        loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, None)

    if callable(stop):
        signal.signal(signal.SIGTERM, handle)


async def _follow(parts: Parts, connections: set[Any]) -> None:
    """Hand back idle connections while this server keeps none, for ever."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if not parts.role.keeps():
            role.close_idle(connections)

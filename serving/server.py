"""Runs the application under uvicorn.

Owns the order of starting and stopping: nothing listens before the model gave
a right answer, and after SIGTERM the server answers on while readiness fails
and connections are handed back, so that no client sees a reset.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import time
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from serving.app import Application, refused
from serving.http import connection, descriptors, listener, logs, role, sweep
from serving.inference import pickles
from serving.inference.probe import Trial
from serving.parts import Parts, build
from serving.settings import Settings
from slipway.errors import Unavailable

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which drains before it stops."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self._drained_at = float("inf")

    async def startup(self, sockets: Any = None) -> None:  # noqa: ARG002 - uvicorn's
        """Listen, then tell where.

        Raises:
            Unavailable: the address cannot be had.
        """
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        try:
            bound = listener.bind(self.config.host, self.config.port, self.config.backlog)
        except Unavailable:
            await self.lifespan.shutdown()
            raise
        connections: Any = self.server_state.connections
        listening: Any = listener.Listener(
            bound, self._protocol, connections, self._parts.settings.max_connections, self._parts.shedder.count
        )
        self.servers = [listening]
        self._parts.tasks.keep("connections", lambda: sweep.sweep(connections))
        self.started = True
        address = bound[0].getsockname()
        logger.warning("ready on http://%s:%s", address[0], address[1])

    def _protocol(self) -> connection.BoundedProtocol:
        make: Any = self.config.http_protocol_class
        made: connection.BoundedProtocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal, stop at the second or when drained."""
        if self._parts.draining or not self.started:
            super().handle_exit(sig, frame)
            return
        seconds = self._parts.settings.drain_seconds if sig == signal.SIGTERM else 0.0
        self._parts.draining = True
        self._drained_at = time.monotonic() + seconds
        logger.warning("draining for %g s", seconds)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: hand back idle connections where none is kept, stop when drained."""
        if not self._parts.role.keeps():
            role.close_idle(self.server_state.connections)
        if time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(chosen: Settings, trial: Trial) -> None:
    """Build the parts and answer until stopped.

    Raises:
        SlipwayError: a part cannot be built, too few files may be open, or the address cannot be had.
    """
    logs.configure(chosen.log_level)
    pickles.refuse()
    descriptors.reserve(chosen.max_connections)
    parts = build(chosen, trial)
    bounds = connection.Bounds(
        chosen.header_seconds, chosen.body_seconds, chosen.keep_alive_seconds, partial(refused, parts)
    )
    config = uvicorn.Config(
        Application(parts, cut_slow_bodies=False),
        host=chosen.host,
        port=chosen.port,
        loop="uvloop",
        http=connection.protocol(bounds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=512,
        timeout_graceful_shutdown=int(chosen.deadline_seconds) + 5,
    )
    gc.set_threshold(20_000, 20, 50)
    DrainingServer(config, parts).run()

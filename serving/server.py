"""Runs the application under uvicorn.

Owns the order of starting and stopping: nothing listens before the model gave
a right answer, and after SIGTERM the server answers on while readiness fails
and connections are handed back, so that nobody sees a reset.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from types import FrameType
from typing import Any

import uvicorn

from serving import connection, logs, pickles, role
from serving.app import Application
from serving.parts import Parts, build
from serving.probe import Trial
from serving.settings import Settings

logger = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which drains before it stops."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts
        self._drained_at = float("inf")
        self._background: list[asyncio.Task[Any]] = []

    async def startup(self, sockets: Any = None) -> None:
        """Listen, then tell where."""
        await super().startup(sockets)
        self._background = [asyncio.create_task(connection.sweep(self.server_state.connections))]
        address = self.servers[0].sockets[0].getsockname()
        logger.warning("ready on http://%s:%s", address[0], address[1])

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
    """Build the parts and answer until told to stop.

    Raises:
        SlipwayError: a part cannot be built.
    """
    logs.configure(chosen.log_level)
    pickles.refuse()
    parts = build(chosen, trial)
    config = uvicorn.Config(
        Application(parts, cut_slow_bodies=False),
        host=chosen.host,
        port=chosen.port,
        loop="uvloop",
        http=connection.protocol(chosen.header_seconds, chosen.body_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=chosen.max_connections,
        backlog=512,
        timeout_keep_alive=chosen.keep_alive_seconds,
        timeout_graceful_shutdown=int(chosen.deadline_seconds) + 5,
    )
    gc.set_threshold(20_000, 20, 50)
    DrainingServer(config, parts).run()

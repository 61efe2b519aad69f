"""One sweep over all connections ends those whose time is over: no timer a request."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.25


async def sweep(connections: set[Any]) -> None:
    """Cut the connections whose time is over, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = loop.time()
        for late in [connection for connection in connections if connection.due < now]:
            try:
                late.overdue()
            except Exception:
                logger.exception("a connection could not be closed in order")
                late.evict()

"""Connections to PostgreSQL with a clock of our own: no wait for an answer is without end.

`statement_timeout` is the server's promise, and a server that is stopped, or
behind a network that drops packets, keeps none. Past its clock a connection is
closed, here, by the thread that waited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

ANSWER_SECONDS = 2.0


class TimedConnection(psycopg.Connection[Any]):
    """Waits at most `answer_seconds` for each answer, then closes and raises OperationalError."""

    answer_seconds = ANSWER_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for PostgreSQL.

        Raises:
            OperationalError: it did not answer in time; the connection is closed.
        """
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.answer_seconds:g} s") from None


def connect(url: str, most: int, configure: Callable[[psycopg.Connection], None] | None = None) -> ConnectionPool:
    """Make a pool that opens connections when they are needed, with limits on every wait."""
    return ConnectionPool(
        url,
        connection_class=TimedConnection,
        min_size=0,
        max_size=most,
        open=True,
        timeout=2.0,
        max_idle=300.0,
        reconnect_timeout=1.0,
        configure=configure,
        check=ConnectionPool.check_connection,
        kwargs={
            "connect_timeout": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "slipway-serving",
            "options": "-c statement_timeout=60000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000",
        },
    )

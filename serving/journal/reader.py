"""Finds one prediction in the journal, for its owner or an operator."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from serving.breaker import Breaker
from serving.journal import statements
from serving.problem import Problem

STATEMENT_MILLISECONDS = 1000


def find(pool: ConnectionPool, breaker: Breaker, request_id: str, subject: str | None) -> dict[str, Any] | None:
    """Return the prediction of this id; of any subject when `subject` is None.

    Raises:
        Problem: 503 when PostgreSQL does not answer.
    """
    if not breaker.closed:
        raise _away()
    try:
        with pool.connection(timeout=1.0) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MILLISECONDS}")
            found = cursor.execute(statements.FIND, {"id": request_id, "subject": subject}).fetchone()
    except (psycopg.Error, PoolTimeout) as error:
        breaker.failed()
        raise _away() from error
    return found


def _away() -> Problem:
    return Problem(503, "the journal cannot be read now", kind="journal-away", headers=[(b"retry-after", b"5")])

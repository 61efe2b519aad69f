"""Finds one prediction in the journal, for its owner or an operator; no answer is larger than its bounds."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from journal import queries
from slipway.breaker import Breaker
from slipway.errors import Unavailable

STATEMENT_MILLISECONDS = 1000
# Characters of the features shown, of the first prediction and of each other one under the same id.
LARGEST_FIRST = 4 << 20
LARGEST_OTHER = 64 << 10
BOUNDS = queries.ShownBounds(LARGEST_FIRST, LARGEST_OTHER, predictions=10)


def find(pool: ConnectionPool, breaker: Breaker, request_id: str, subject: str | None) -> bytes | None:
    """Return the prediction of this id as JSON, with others of the same id; of any subject when `subject` is None.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    if not breaker.closed:
        raise _away()
    try:
        with pool.connection(timeout=1.0) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MILLISECONDS}")
            found = queries.find(cursor, request_id, subject, BOUNDS)
    except (psycopg.Error, PoolTimeout) as error:
        breaker.failed()
        raise _away() from error
    if not found:
        return None
    first, *others = (_shown(row) for row in found)
    return msgspec.json.encode(first | ({"others": others} if others else {}))


def _away() -> Unavailable:
    return Unavailable(
        "the journal's database does not answer in time",
        expected="an answer within a second or two",
        hint="ask again in 5 s",
    )


def _by_row(scores: list[float], rows: int) -> list[Any]:
    """Return one score a row, or a list of them where a row has several."""
    width = len(scores) // rows if rows else 1
    return scores if width <= 1 else [scores[start : start + width] for start in range(0, len(scores), width)]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    features: str = row["features"]
    whole = len(features) <= (LARGEST_FIRST if row["place"] == 1 else LARGEST_OTHER)
    shown = {
        "request_id": row["request_id"],
        "requested_at": row["requested_at"],
        "subject": row["subject"],
        "model": {"name": row["model"], "version": row["model_version"]},
        "features": msgspec.Raw(features.encode()) if whole else None,
        "scores": _by_row(row["scores"], row["row_count"]),
        "latency_ms": row["latency_us"] / 1000,
    }
    return shown if whole else shown | {"features_omitted": "too large to be shown; see the table predictions"}

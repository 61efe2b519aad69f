"""The one owner of the journal's tables: all SQL on them but their migrations, and a typed function for each query.

The functions with a cursor or connection raise psycopg's errors; those with the address of a database open a
connection of their own, which cannot write, and raise the project's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from slipway.errors import BadInput, Unavailable
from slipway.redaction import redacted

CONNECT_SECONDS = 10
TRACE_MILLISECONDS = 5000
WINDOW_ROWS = 2000  # requests fetched at once

STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS journal_staging (record jsonb NOT NULL) ON COMMIT DELETE ROWS
"""

COPY = "COPY journal_staging (record) FROM STDIN (FORMAT BINARY)"

MONTHS = """
SELECT DISTINCT date_trunc('month', to_timestamp((record->>'at')::bigint / 1e6) AT TIME ZONE 'UTC')::date
FROM journal_staging
"""

# Ids first: a key that is there means that the row is there, whatever its month.
# An id that comes again with other rows, by their digest, is a prediction of its own; a row without a digest, as older
# servers write, is taken for the same rows.
# Ordered, so that two pods with the same ids wait for each other instead of deadlocking.
INSERT = """
WITH incoming AS (
  SELECT DISTINCT ON (record->>'subject', record->>'id', coalesce(record->>'digest', ''))
    record->>'subject' AS subject,
    record->>'id' AS request_id,
    coalesce(record->>'digest', '') AS digest,
    to_timestamp((record->>'at')::bigint / 1e6) AS requested_at,
    record
  FROM journal_staging
  ORDER BY record->>'subject', record->>'id', coalesce(record->>'digest', ''), (record->>'at')::bigint
), fresh AS (
  INSERT INTO prediction_keys (subject, request_id, digest, requested_at)
  SELECT subject, request_id, digest, requested_at FROM incoming AS i
  WHERE NOT EXISTS (
    SELECT FROM prediction_keys AS k
    WHERE k.subject = i.subject AND k.request_id = i.request_id AND '' IN (k.digest, i.digest)
  )
  ORDER BY subject, request_id, digest
  ON CONFLICT DO NOTHING
  RETURNING subject, request_id, digest
), stored AS (
  INSERT INTO predictions
    (request_id, requested_at, subject, model, model_version, features, scores, latency_us, trace_id)
  SELECT
    request_id, requested_at, subject, record->>'model', record->>'version',
    slipway_rows(record->'input'),
    ARRAY(SELECT score::real FROM jsonb_array_elements_text(record->'scores') AS score),
    (record->>'us')::integer, record->>'trace'
  FROM incoming JOIN fresh USING (subject, request_id, digest)
  RETURNING 1
)
SELECT (SELECT count(*) FROM stored), (
  SELECT count(*) FROM fresh AS f
  WHERE EXISTS (SELECT FROM prediction_keys AS k WHERE k.subject = f.subject AND k.request_id = f.request_id)
    OR EXISTS (
      SELECT FROM fresh AS g WHERE g.subject = f.subject AND g.request_id = f.request_id AND g.digest < f.digest
    )
)
"""

# Text, not JSON: it goes into the answer as it is. Cut in PostgreSQL: a short number may have a long text there.
FIND = """
SELECT request_id, requested_at, subject, model, model_version, scores, latency_us, row_count,
  left(text, CASE WHEN place = 1 THEN %(first)s ELSE %(other)s END + 1) AS features, place
FROM (
  SELECT p.request_id, p.requested_at, p.subject, p.model, p.model_version, p.scores, p.latency_us,
    p.features::text AS text, jsonb_array_length(p.features) AS row_count,
    row_number() OVER (ORDER BY p.requested_at) AS place
  FROM prediction_keys AS k
  JOIN predictions AS p USING (subject, request_id, requested_at)
  WHERE k.request_id = %(id)s AND (%(subject)s::text IS NULL OR k.subject = %(subject)s)
  ORDER BY p.requested_at
  LIMIT %(most)s
) AS found
ORDER BY place
"""

ENSURE_PARTITION = "SELECT slipway_ensure_partition(%s)"

PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'predictions'::regclass ORDER BY 1"

DELETE_KEYS = "DELETE FROM prediction_keys WHERE requested_at < %s"

WINDOW = """
SELECT model_version, features, scores FROM predictions
WHERE model = %s AND requested_at >= %s AND requested_at < %s
"""

TRACE = """
SELECT p.request_id, p.requested_at, p.model, p.model_version, p.scores, p.latency_us
FROM prediction_keys AS k JOIN predictions AS p USING (subject, request_id, requested_at)
WHERE k.request_id = %s ORDER BY p.requested_at LIMIT 10
"""


class ShownBounds(NamedTuple):
    """Most characters of the features shown, of the first prediction and of each other; most predictions."""

    first: int
    other: int
    predictions: int


class AnsweredRequest(NamedTuple):
    """An answered request: its features an object a predicted row, its scores a number a predicted row."""

    version: str
    features: list[dict[str, Any]]
    scores: list[float]


class TracedRequest(NamedTuple):
    """An answered request by its id; `version` is what its server was told, of a registered model a number."""

    request_id: str
    requested_at: datetime
    model: str
    version: str
    scores: list[float]
    latency_us: int


def stage(cursor: psycopg.Cursor[Any], rows: bytes) -> None:
    """Copy rows, framed for a binary COPY, into the transaction's staging table."""
    cursor.execute(STAGING)
    with cursor.copy(COPY) as copy:
        copy.write(rows)


def staged_months(cursor: psycopg.Cursor[Any]) -> set[date]:
    """Return the first days of the months, in UTC, of the staged rows."""
    return {month for (month,) in cursor.execute(MONTHS).fetchall()}


def ensure_partition(cursor: psycopg.Cursor[Any], month: date) -> None:
    """Make the partition of a month, if it is not there."""
    cursor.execute(ENSURE_PARTITION, (month,))


def store(cursor: psycopg.Cursor[Any]) -> tuple[int, int]:
    """Store the staged rows that are not there; return how many, and how many ids came again with other rows."""
    stored, reused = cursor.execute(INSERT).fetchone() or (0, 0)
    return stored, reused


def find(
    cursor: psycopg.Cursor[dict[str, Any]], request_id: str, subject: str | None, most: ShownBounds
) -> list[dict[str, Any]]:
    """Return the predictions of an id, oldest first, of any subject where `subject` is None; features as text."""
    sought = {"id": request_id, "subject": subject, "first": most.first, "other": most.other}
    return cursor.execute(FIND, sought | {"most": most.predictions}).fetchall()


def partitions(connection: psycopg.Connection[Any]) -> list[str]:
    """Return the names of the partitions, oldest first."""
    return [name for (name,) in connection.execute(PARTITIONS).fetchall()]


def drop_partition(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a partition and its rows."""
    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))


def delete_keys(connection: psycopg.Connection[Any], before: datetime) -> int:
    """Delete the keys of requests before a time; return how many."""
    return connection.execute(DELETE_KEYS, (before,)).rowcount


def window(url: str, model: str, since: datetime, until: datetime) -> Iterator[list[AnsweredRequest]]:
    """Give the answered requests of `model` from `since` to before `until`, some thousand at a time.

    Raises:
        BadInput: the journal's tables are not there.
        Unavailable: PostgreSQL does not answer.
    """
    with _reading(url) as connection, connection.cursor(name="window") as cursor:  # of the server: of any size
        cursor.execute(WINDOW, (model, since, until))
        while batch := cursor.fetchmany(WINDOW_ROWS):
            yield [AnsweredRequest(*row) for row in batch]


def trace(url: str, request_id: str) -> list[TracedRequest]:
    """Return the at most ten oldest predictions of an id, of any subject.

    Raises:
        BadInput: the journal's tables are not there.
        Unavailable: PostgreSQL does not answer.
    """
    with _reading(url, f"-c statement_timeout={TRACE_MILLISECONDS}") as connection:
        return [TracedRequest(*row) for row in connection.execute(TRACE, (request_id,)).fetchall()]


@contextlib.contextmanager
def _reading(url: str, options: str = "") -> Iterator[psycopg.Connection[Any]]:
    address = url.replace("postgresql+psycopg://", "postgresql://")
    try:
        with psycopg.connect(address, connect_timeout=CONNECT_SECONDS, options=options) as connection:
            connection.read_only = True
            yield connection
    except psycopg.errors.UndefinedTable as error:
        raise BadInput(
            "the database has no journal",
            expected="the table predictions",
            hint="check SLIPWAY_DATABASE_URL, or run `slipway journal migrate`",
        ) from error
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise Unavailable(
            "the journal of predictions did not answer",
            found=redacted(lines[0]),
            hint="check SLIPWAY_DATABASE_URL, then run the same command again",
        ) from error

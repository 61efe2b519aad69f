"""The SQL that the journal's writer and reader run, in one place beside its tables' migrations."""

from __future__ import annotations

STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS journal_staging (record jsonb NOT NULL) ON COMMIT DELETE ROWS
"""

COPY = "COPY journal_staging (record) FROM STDIN (FORMAT BINARY)"

MONTHS = """
SELECT DISTINCT date_trunc('month', to_timestamp((record->>'at')::bigint / 1e6) AT TIME ZONE 'UTC')::date
FROM journal_staging
"""

# Ids first: a key that is there means that the row is there, whatever its month.
# Ordered, so that two pods with the same ids wait for each other instead of deadlocking.
INSERT = """
WITH incoming AS (
  SELECT DISTINCT ON (record->>'subject', record->>'id')
    record->>'subject' AS subject,
    record->>'id' AS request_id,
    to_timestamp((record->>'at')::bigint / 1e6) AS requested_at,
    record
  FROM journal_staging
  ORDER BY record->>'subject', record->>'id', (record->>'at')::bigint
), fresh AS (
  INSERT INTO prediction_keys (subject, request_id, requested_at)
  SELECT subject, request_id, requested_at FROM incoming ORDER BY subject, request_id
  ON CONFLICT DO NOTHING
  RETURNING subject, request_id
)
INSERT INTO predictions
  (request_id, requested_at, subject, model, model_version, features, scores, latency_us, trace_id)
SELECT
  request_id, requested_at, subject, record->>'model', record->>'version',
  slipway_rows(record->'input'),
  ARRAY(SELECT score::real FROM jsonb_array_elements_text(record->'scores') AS score),
  (record->>'us')::integer, record->>'trace'
FROM incoming JOIN fresh USING (subject, request_id)
"""

FIND = """
SELECT p.request_id, p.requested_at, p.subject, p.model, p.model_version, p.features, p.scores, p.latency_us
FROM prediction_keys AS k
JOIN predictions AS p USING (subject, request_id, requested_at)
WHERE k.request_id = %(id)s AND (%(subject)s::text IS NULL OR k.subject = %(subject)s)
ORDER BY p.requested_at
LIMIT 1
"""

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

"""Make the journal: predictions by month, their keys, and the functions that its writer calls."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PREDICTIONS = """
CREATE TABLE predictions (
  request_id text NOT NULL,
  requested_at timestamptz NOT NULL,
  subject text NOT NULL,
  model text NOT NULL,
  model_version text NOT NULL,
  features jsonb NOT NULL,
  scores real[] NOT NULL,
  latency_us integer NOT NULL,
  trace_id text,
  PRIMARY KEY (requested_at, subject, request_id)
) PARTITION BY RANGE (requested_at);
COMMENT ON TABLE predictions IS 'One row an answered request; features is an array of one object a predicted row.';
CREATE INDEX predictions_by_subject ON predictions (subject, requested_at);
CREATE INDEX predictions_by_version ON predictions (model, model_version, requested_at);
"""

# A unique key over a partitioned table must hold the partition's column, and a repeated
# request has another time: what makes an id unique lives in a table of its own.
KEYS = """
CREATE TABLE prediction_keys (
  subject text NOT NULL,
  request_id text NOT NULL,
  requested_at timestamptz NOT NULL,
  PRIMARY KEY (subject, request_id)
);
CREATE INDEX prediction_keys_by_request ON prediction_keys (request_id);
CREATE INDEX prediction_keys_by_time ON prediction_keys (requested_at);
"""

ROW_VIEW = """
CREATE VIEW prediction_rows AS
SELECT p.request_id, p.requested_at, p.subject, p.model, p.model_version, f.row - 1 AS row, f.features,
       p.scores[f.row] AS score
FROM predictions AS p CROSS JOIN LATERAL jsonb_array_elements(p.features) WITH ORDINALITY AS f (features, row);
COMMENT ON VIEW prediction_rows IS 'One row a predicted row: what drift and late labels are computed on.';
"""

# A request holds {"rows": [...]} or {"columns": {...}}; the journal keeps rows.
ROWS_FUNCTION = """
CREATE FUNCTION slipway_rows(input jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN input ? 'rows' THEN input->'rows' ELSE (
    SELECT jsonb_agg(r.features ORDER BY r.n) FROM (
      SELECT v.n, jsonb_object_agg(c.key, v.value) AS features
      FROM jsonb_each(input->'columns') AS c
      CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(c.value) WHEN 'array' THEN c.value ELSE '[]' END)
        WITH ORDINALITY AS v (value, n)
      GROUP BY v.n
    ) AS r
  ) END
$$;
"""

# The writer may insert and nothing else; it makes a month's partition through this function,
# which runs with its owner's rights and takes no name from outside.
PARTITION_FUNCTION = """
CREATE FUNCTION slipway_ensure_partition(month date) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  first date := date_trunc('month', month)::date;
BEGIN
  PERFORM pg_advisory_xact_lock(7166437);
  EXECUTE format(
    'CREATE TABLE IF NOT EXISTS %I PARTITION OF predictions FOR VALUES FROM (%L) TO (%L)',
    'predictions_' || to_char(first, 'YYYY_MM'),
    first::timestamp AT TIME ZONE 'UTC', (first + interval '1 month')::timestamp AT TIME ZONE 'UTC');
END
$$;
"""


def upgrade() -> None:
    """Make tables, view and functions."""
    for statement in (PREDICTIONS, KEYS, ROWS_FUNCTION, ROW_VIEW, PARTITION_FUNCTION):
        op.execute(statement)
    # Whoever makes the function fixes where it looks, whatever the caller's path is.
    op.execute(
        "DO $$ BEGIN EXECUTE format("
        "'ALTER FUNCTION slipway_ensure_partition(date) SET search_path = %I, pg_temp', current_schema()); END $$"
    )


def downgrade() -> None:
    """Drop everything, rows included."""
    op.execute("DROP VIEW prediction_rows")
    op.execute("DROP TABLE predictions, prediction_keys")
    op.execute("DROP FUNCTION slipway_rows(jsonb), slipway_ensure_partition(date)")

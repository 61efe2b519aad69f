"""Show every score of a predicted row: a model of several classes gives one a class."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# `scores` holds those of the first row, then those of the second, and so on. A new column of a view comes last.
UP = """
CREATE OR REPLACE VIEW prediction_rows AS
SELECT p.request_id, p.requested_at, p.subject, p.model, p.model_version, f.row - 1 AS row, f.features,
       CASE WHEN s.width = 1 THEN p.scores[f.row] END AS score,
       p.scores[(f.row - 1) * s.width + 1 : f.row * s.width] AS scores
FROM predictions AS p
CROSS JOIN LATERAL (SELECT cardinality(p.scores) / greatest(jsonb_array_length(p.features), 1) AS width) AS s
CROSS JOIN LATERAL jsonb_array_elements(p.features) WITH ORDINALITY AS f (features, row);
"""
DOWN = """
CREATE VIEW prediction_rows AS
SELECT p.request_id, p.requested_at, p.subject, p.model, p.model_version, f.row - 1 AS row, f.features,
       p.scores[f.row] AS score
FROM predictions AS p CROSS JOIN LATERAL jsonb_array_elements(p.features) WITH ORDINALITY AS f (features, row);
"""
COMMENT = "COMMENT ON VIEW prediction_rows IS 'One row a predicted row: what drift and late labels are computed on.'"


def upgrade() -> None:
    """Add the scores of each row; a row of one score keeps it in `score` too."""
    op.execute(UP)


def downgrade() -> None:
    """Show one score a row, as before."""
    op.execute("DROP VIEW prediction_rows")
    op.execute(DOWN)
    op.execute(COMMENT)

"""Let one id of a subject name several predictions, distinguished by the digest of their rows."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the digest; rows of before have the empty one, which matches any."""
    op.execute("ALTER TABLE prediction_keys ADD COLUMN digest text NOT NULL DEFAULT ''")
    op.execute(
        "ALTER TABLE prediction_keys DROP CONSTRAINT prediction_keys_pkey,"
        " ADD CONSTRAINT prediction_keys_pkey PRIMARY KEY (subject, request_id, digest)"
    )


def downgrade() -> None:
    """Keep the first prediction of each id as the one that has it; the others stay in `predictions`."""
    op.execute(
        "DELETE FROM prediction_keys AS k USING prediction_keys AS first WHERE k.subject = first.subject"
        " AND k.request_id = first.request_id AND (first.requested_at, first.digest) < (k.requested_at, k.digest)"
    )
    op.execute(
        "ALTER TABLE prediction_keys DROP CONSTRAINT prediction_keys_pkey,"
        " ADD CONSTRAINT prediction_keys_pkey PRIMARY KEY (subject, request_id)"
    )
    op.execute("ALTER TABLE prediction_keys DROP COLUMN digest")

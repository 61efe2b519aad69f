"""The audit record's table, and the triggers with which the database keeps it append-only."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()
AUDIT = sa.Table(
    "slipway_audit",
    METADATA,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("source", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False, unique=True),  # two rows cannot follow the same one
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("happened", sa.Text),  # rows of before this column have none, and their hash does not tell of it
)
LOCK = 0x536C6970  # the same number in every process that appends
SQLITE = (
    "CREATE TRIGGER IF NOT EXISTS slipway_audit_update BEFORE UPDATE ON slipway_audit "
    "BEGIN SELECT RAISE(ABORT, 'slipway_audit is append-only'); END",
    "CREATE TRIGGER IF NOT EXISTS slipway_audit_delete BEFORE DELETE ON slipway_audit "
    "BEGIN SELECT RAISE(ABORT, 'slipway_audit is append-only'); END",
    # INSERT OR REPLACE deletes without the trigger above
    "CREATE TRIGGER IF NOT EXISTS slipway_audit_replace BEFORE INSERT ON slipway_audit "
    "WHEN EXISTS (SELECT 1 FROM slipway_audit WHERE sequence = NEW.sequence OR key = NEW.key) "
    "BEGIN SELECT RAISE(ABORT, 'slipway_audit is append-only'); END",
)
POSTGRESQL = (
    "CREATE OR REPLACE FUNCTION slipway_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'slipway_audit is append-only'; END $$",
    "CREATE TRIGGER slipway_audit_row BEFORE UPDATE OR DELETE ON slipway_audit "
    "FOR EACH ROW EXECUTE FUNCTION slipway_audit_refuse()",
    "CREATE TRIGGER slipway_audit_table BEFORE TRUNCATE ON slipway_audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION slipway_audit_refuse()",
    # also for a session that says it only replicates
    "ALTER TABLE slipway_audit ENABLE ALWAYS TRIGGER slipway_audit_row",
    "ALTER TABLE slipway_audit ENABLE ALWAYS TRIGGER slipway_audit_table",
)


def prepare(connection: sa.Connection) -> None:
    """Take the record's lock for this transaction; make table, triggers and columns where they are missing."""
    postgresql = connection.dialect.name == "postgresql"
    if postgresql:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    try:
        columns = {one["name"] for one in sa.inspect(connection).get_columns(AUDIT.name)}
    except sa.exc.NoSuchTableError:
        columns = set()
    if columns:
        if AUDIT.c.happened.name not in columns:  # made by an earlier release; no row is touched
            connection.exec_driver_sql(f"ALTER TABLE {AUDIT.name} ADD COLUMN happened TEXT")
        return
    METADATA.create_all(connection)
    for statement in POSTGRESQL if postgresql else SQLITE:
        connection.exec_driver_sql(statement)

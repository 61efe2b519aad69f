"""Alembic's entry: runs the journal's migrations on the connection it is handed."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="journal_migrations", transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()

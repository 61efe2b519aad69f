"""The journal: every accepted prediction, once, from a local spool to PostgreSQL."""

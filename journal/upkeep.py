"""The journal's tables over time: migrate before a release, prune what is past its keeping.

Runs in a job, with rights that the server does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from journal import queries
from slipway.errors import BadInput, Unavailable

MIGRATIONS = Path(__file__).with_name("migrations")
PARTITION = re.compile(r"^predictions_(\d{4})_(\d{2})$")


@dataclass(frozen=True)
class Pruned:
    """What a pruning dropped."""

    partitions: list[str]
    keys: int


def migrate(url: str) -> tuple[str | None, str | None]:
    """Bring the journal's tables to the newest revision; return the revisions before and after.

    Raises:
        Unavailable: PostgreSQL refused or failed; nothing was changed.
    """
    try:
        engine = sqlalchemy.create_engine(_sqlalchemy_url(url), poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            before = _revision(connection)
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return before, _revision(connection)
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _unavailable(error) from error


def prune(url: str, keep_months: int, today: date | None = None) -> Pruned:
    """Drop the partitions, and the keys, that are older than `keep_months` calendar months.

    Raises:
        BadInput: `keep_months` is less than one.
        Unavailable: PostgreSQL refused or failed; nothing was changed.
    """
    if keep_months < 1:
        raise BadInput(
            f"cannot keep {keep_months} months: the current one is being written",
            expected="1 or more",
            found=str(keep_months),
            hint="slipway journal prune --keep-months 12",
        )
    first = _months_before(today or datetime.now(UTC).date(), keep_months - 1)
    try:
        with psycopg.connect(url) as connection:
            names = queries.partitions(connection)
            old = [n for n in names if (m := PARTITION.match(n)) and date(int(m[1]), int(m[2]), 1) < first]
            for name in old:
                queries.drop_partition(connection, name)
            return Pruned(old, queries.delete_keys(connection, _utc(first)))
    except psycopg.Error as error:
        raise _unavailable(error) from error


def _utc(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _months_before(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def _revision(connection: sqlalchemy.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": "journal_migrations"})
    return context.get_current_revision()


def _sqlalchemy_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not separator:
        raise BadInput(
            "SLIPWAY_DATABASE_URL is not the URL of a PostgreSQL database",
            expected="postgresql://USER@HOST/NAME",
            found=f"{scheme}://…" if separator else "no ://",  # without the rest: it may hold a password
            hint="export SLIPWAY_DATABASE_URL=postgresql://HOST/NAME",
        )
    return f"postgresql+psycopg://{rest}"


def _unavailable(error: Exception) -> Unavailable:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return Unavailable(
        "the journal's database refused the change or failed",
        expected="a PostgreSQL that takes the change",
        found=lines[0],
        hint="check SLIPWAY_DATABASE_URL and the user's rights, then run the same command again",
    )

"""The audit record: who did what, when, from what to what, and why.

Owns one append-only table, in SQLite or PostgreSQL. The database refuses to
change or delete a row; each row holds the hash of the one before, so that whoever
gets around that is found by `verify`. What the tail lost is found against a head
noted elsewhere. Credentials are blanked out before they are stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from release.audit.schema import AUDIT, prepare
from slipway.errors import BadInput, Unavailable
from slipway.redaction import redacted, without_credentials

GENESIS = "0" * 64
SECONDS = len("2026-01-01T00:00:00")
# A server that is slow, and a machine that is gone, are reported in seconds; libpq's own names.
LIMITS = {
    "connect_timeout": 5,
    "options": "-c statement_timeout=10000 -c lock_timeout=10000",
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}


@dataclass(frozen=True)
class AuditEntry:
    """One row. `source` and `target` are digests or version numbers.

    `at` is when it was recorded, `happened` when the act took place as its commit, forge or cluster tells; both are
    UTC in ISO 8601, and rows of before `happened` was kept have None.
    """

    sequence: int
    key: str
    at: str
    actor: str
    action: str
    model: str
    version: int
    source: str | None
    target: str | None
    reason: str
    previous: str
    hash: str
    happened: str | None = None

    @property
    def when(self) -> str:
        """When it happened, as far as is known."""
        return self.happened or self.at


@dataclass(frozen=True)
class Audit:
    """An open audit record."""

    engine: sa.Engine

    @property
    def where(self) -> str:
        """The record's address for people."""
        return self.engine.url.render_as_string(hide_password=True)

    def record(
        self,
        *,
        key: str,
        actor: str,
        action: str,
        model: str,
        version: int,
        source: str | None,
        target: str | None,
        reason: str,
        happened: str | None = None,
    ) -> AuditEntry:
        """Append an entry, or return the one with this key; `happened` is now unless someone knows better (ISO 8601).

        Raises:
            Unavailable: the database does not take it.
        """
        said = {"actor": actor, "action": action, "model": model, "source": source, "target": target, "reason": reason}
        clean = {name: None if text is None else redacted(_storable(text)) for name, text in said.items()}
        with self._connected() as connection:
            there = connection.execute(sa.select(AUDIT).where(AUDIT.c.key == key)).mappings().first()
            if there is not None:
                return AuditEntry(**there)
            last = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.sequence.desc()).limit(1)).mappings().first()
            row = _row({**clean, "key": key, "version": version}, last, happened)
            connection.execute(sa.insert(AUDIT).values(row))
        return AuditEntry(**row)

    def known(self, keys: list[str]) -> set[str]:
        """Return those of the keys that are recorded."""
        return {one.key for one in self.named(keys)}

    def named(self, keys: list[str]) -> list[AuditEntry]:
        """Return the entries of these keys, in the order in which they were recorded."""
        if not keys:
            return []
        wanted = sa.select(AUDIT).where(AUDIT.c.key.in_(keys)).order_by(AUDIT.c.sequence)
        with self._connected() as connection:
            return [AuditEntry(**row) for row in connection.execute(wanted).mappings()]

    def entries(self, model: str | None = None) -> list[AuditEntry]:
        """Return the entries in the order in which they were recorded, of one model or of all."""
        wanted = sa.select(AUDIT).order_by(AUDIT.c.sequence)
        if model is not None:
            wanted = wanted.where(AUDIT.c.model == model)
        with self._connected() as connection:
            return [AuditEntry(**row) for row in connection.execute(wanted).mappings()]

    def head(self) -> str:
        """Return `SEQUENCE:HASH` of the last entry, to be noted where the database's owner cannot change it."""
        wanted = sa.select(AUDIT.c.sequence, AUDIT.c.hash).order_by(AUDIT.c.sequence.desc()).limit(1)
        with self._connected() as connection:
            last = connection.execute(wanted).first()
        return f"{last[0]}:{last[1]}" if last else f"0:{GENESIS}"

    def holds(self, head: str) -> bool:
        """Say whether the record has the entry of a `SEQUENCE:HASH`; the head of an empty record is in every one."""
        number, _, known = head.partition(":")
        if number == "0":
            return known == GENESIS
        with self._connected() as connection:
            found = connection.scalar(sa.select(AUDIT.c.hash).where(AUDIT.c.sequence == int(number)))
        return bool(found == known)

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        # One writer at a time: the complete transaction holds the lock, so a sequence has no gap and no fork.
        try:
            with self.engine.begin() as connection:
                prepare(connection)
                yield connection
        except sa.exc.SQLAlchemyError as error:
            said = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
            raise Unavailable(
                f"the audit record at {self.where} did not answer",
                found=without_credentials(said[0]),
                hint="check SLIPWAY_AUDIT_URL, then run the same command again: it completes what it began",
            ) from error


def open_audit(url: str) -> Audit:
    """Open the record at an SQLAlchemy URL, `sqlite:///FILE` or `postgresql://…`.

    Raises:
        BadInput: no such kind of database.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise BadInput(
            "SLIPWAY_AUDIT_URL is not a URL",
            expected="sqlite:///FILE or postgresql://HOST/NAME",
            hint="unset SLIPWAY_AUDIT_URL, for var/audit.db",
        ) from error
    kind = parsed.get_backend_name()
    if kind == "postgresql":
        address = parsed.set(drivername="postgresql+psycopg")
        # A writer that waited for the lock must see what the one before it wrote, whatever the database's default.
        return Audit(
            sa.create_engine(address, connect_args=LIMITS, poolclass=sa.NullPool, isolation_level="READ COMMITTED")
        )
    if kind != "sqlite":
        raise BadInput(
            "SLIPWAY_AUDIT_URL names no audit record",
            expected="sqlite or postgresql",
            found=kind,
            hint="export SLIPWAY_AUDIT_URL=postgresql://HOST/NAME",
        )
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": 10, "isolation_level": None}, poolclass=sa.NullPool)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return Audit(engine)


def verify(entries: list[AuditEntry], heads: Iterable[str] = ()) -> list[str]:
    """Say what is wrong with the complete record, in words; nothing means that no row was changed.

    `heads` are `SEQUENCE:HASH` noted before; a row that is missing at the end shows only against them.
    """
    wrong, previous = [], GENESIS
    for place, entry in enumerate(entries, 1):
        if entry.sequence != place:
            wrong.append(f"row {place} is missing: row {entry.sequence} is in its place")
            break
        if entry.previous != previous:
            wrong.append(f"row {place} does not follow from the row before")
        if _hash(asdict(entry)) != entry.hash:
            wrong.append(f"row {place} was changed: its hash is not that of its content")
        previous = entry.hash
    hashes = {0: GENESIS} | {entry.sequence: entry.hash for entry in entries}
    for head in sorted(set(heads), key=_number):
        number, _, known = head.partition(":")
        if hashes.get(_number(head)) != known:
            found = "another" if _number(head) in hashes else "not there"
            wrong.append(f"row {number} is {found}: {known[:12]} was noted as its hash")
    return wrong


def in_time(entries: list[AuditEntry]) -> list[AuditEntry]:
    """Return entries in the order in which they happened; what is recorded late stands where it belongs.

    A commit's time has no fractions of a second: within one the order of the record counts.
    """
    return sorted(entries, key=lambda one: (one.when[:SECONDS], one.sequence))


def _moment(happened: str | None, now: datetime) -> str:
    """Return when something happened in the record's one form; never later than now, whatever a clock says."""
    try:
        told = now if happened is None else datetime.fromisoformat(happened).astimezone(UTC)
    except (ValueError, OverflowError):  # a commit's date can be anything
        told = now
    return min(told, now).isoformat(timespec="microseconds")


def _row(facts: dict[str, Any], last: sa.RowMapping | None, happened: str | None) -> dict[str, Any]:
    """Return the row that follows on `last`, with its hash."""
    now = datetime.now(UTC)
    row = facts | {
        "sequence": last["sequence"] + 1 if last else 1,
        "at": now.isoformat(timespec="microseconds"),
        "happened": _moment(happened, now),
        "previous": last["hash"] if last else GENESIS,
    }
    return row | {"hash": _hash(row)}


def _hash(row: dict[str, object]) -> str:
    # A row of before the column `happened` has the hash that it had then.
    said = {name: value for name, value in row.items() if name != "hash" and (name, value) != ("happened", None)}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _number(head: str) -> int:
    number = head.partition(":")[0]
    if not number.isdigit():
        raise BadInput(
            "no head of an audit record",
            expected="SEQUENCE:HASH",
            found=head,
            hint="slipway audit, whose last line is the head",
        )
    return int(number)


def _storable(text: str) -> str:
    """Return what a database takes as text: no half of a surrogate pair, no NUL."""
    return text.encode(errors="replace").decode().replace("\0", "")

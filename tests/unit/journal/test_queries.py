"""The journal's tables have one owner."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime

import pytest

from journal import queries
from slipway.errors import Unavailable
from tests.fixtures.servers import free_port
from tools.rooms import ROOMS, ROOT

NAMES = r"(?:predictions|prediction_keys|prediction_rows)"
TABLES = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE|USING|(?:DROP|ALTER|CREATE)\s+TABLE)\s+(?:IF\s+\w+\s+\w+\s+)?{NAMES}\b"
    r"|slipway_ensure_partition|'predictions'::regclass",
    re.IGNORECASE,
)
OWNERS = ("journal/queries.py", "journal/migrations/")


def test_no_other_module_holds_sql_on_the_journals_tables() -> None:
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    holding = set()
    for path in files:
        texts = [
            node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]  # fmt: skip
        if any(TABLES.search(text) for text in texts):
            holding.add(str(path.relative_to(ROOT)))
    assert "journal/queries.py" in holding
    assert {name for name in holding if not name.startswith(OWNERS)} == set()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/journal"  # pragma: allowlist secret
    for ask in (
        lambda: queries.trace(url, "x"),
        lambda: list(queries.window(url, "m", datetime.now(UTC), datetime.now(UTC))),
    ):
        with pytest.raises(Unavailable, match="the journal of predictions did not answer") as raised:
            ask()
        assert "hunter2" not in str(raised.value)
        assert raised.value.hint

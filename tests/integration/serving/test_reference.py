"""What a server shows is what the reference says that it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.fixtures.servers import Server

PAGE = Path(__file__).parents[3] / "docs/reference/metrics.md"


def test_every_family_of_a_scrape_has_its_entry(server: Server, client: Callable[..., object]) -> None:
    http = client(server).http  # type: ignore[attr-defined]
    scraped = http.get("/metrics").raise_for_status().text
    families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", scraped, flags=re.MULTILINE))
    there = dict(re.findall(r"^\| `(\w+)` \| (\w+) ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = {name: kind for name, kind in families.items() if not name.endswith("_created")}
    assert len(shown) > 15
    assert shown.items() <= there.items()

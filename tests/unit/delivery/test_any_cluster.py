"""The end-to-end tests go only by ways that every cluster has: a Service by name, port-forward, Ingress, a registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOOR = ROOT / "tests/fixtures/door.py"
SOURCES = sorted({*(ROOT / "tests/e2e/cluster").glob("*.py"), *(ROOT / "tests/fixtures").rglob("*.py")})
# What leads from this machine into one cluster or from one cluster to this machine, and to no other.
ONLY_HERE = {
    "a repository by a path of this machine": re.compile(r"url=file:|repoURL.*file:"),
    "an address that only nodes and pods can ask": re.compile(r"clusterIP|podIP"),
    "a node's own address": re.compile(r"InternalIP|hostIP|node_address|hostNetwork|nodePort"),
    "an address of the test cluster": re.compile(r"\b10\.(96|244)\.\d+"),
}


def test_there_is_something_to_look_at() -> None:
    assert len(SOURCES) > 30
    assert DOOR in SOURCES


@pytest.mark.parametrize("what", ONLY_HERE)
def test_no_end_to_end_test_needs_a_cluster_on_this_machine(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if path != DOOR and ONLY_HERE[what].search(line)
    ]
    assert not found, f"{what}: pods come through tests/fixtures/door.py, this machine through forward.py or asker.py"


def test_a_door_gives_its_service_to_the_cluster_and_asks_it_never() -> None:
    text = DOOR.read_text()
    assert text.count("clusterIP") == text.count("podIP") == 1
    assert "urlopen" not in text
    assert "httpx" not in text

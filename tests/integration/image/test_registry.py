from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from release.images.images import Images
from slipway.answer import Answer
from tests.fixtures.registry import push, serving

pytestmark = pytest.mark.image


@pytest.fixture
def host(tools: None, tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as address:
        yield address


def test_an_image_is_there_by_digest_whatever_its_tag_says_now(host: str) -> None:
    first = push(host, "7", "first")
    assert Images().has(f"{host}/team/tiny", first) == Answer(True, f"{host} has {first}")
    second = push(host, "7", "second")
    assert first != second
    assert Images().has(f"{host}/team/tiny", first).passed is True
    assert Images().has(f"{host}/team/tiny", f"sha256:{'0' * 64}").passed is False
    assert Images().has(f"{host}/team/other", first).passed is False


def test_a_registry_that_does_not_answer_says_neither_yes_nor_no() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        assert Images().has(f"127.0.0.1:{found.getsockname()[1]}/a", f"sha256:{'0' * 64}").passed is None

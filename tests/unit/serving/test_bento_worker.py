"""What the worker of a Bento makes of its environment, and how it drains."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import bentoml
import pytest

from serving import bento_worker
from serving.settings import Settings
from slipway.errors import BadInput

BENTO: Any = SimpleNamespace(info=SimpleNamespace(all_models=[SimpleNamespace(tag="flight-delay:7")]))


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    models = SimpleNamespace(get=lambda tag: SimpleNamespace(path=f"/store/{tag}"))
    monkeypatch.setattr(bentoml, "models", models)


@pytest.mark.usefixtures("stored")
def test_the_bentos_own_model_is_served_unless_another_is_named() -> None:
    assert bento_worker.environment({"A": "1"}, BENTO) == {"A": "1", "SLIPWAY_MODEL": "/store/flight-delay:7"}
    assert bento_worker.environment({"SLIPWAY_MODEL": "/mine"}, BENTO) == {"SLIPWAY_MODEL": "/mine"}
    assert bento_worker.environment({"A": "1"}, None) == {"A": "1"}


ABSOLUTE = Settings(model=Path("/model"), spool=Path("/spool"), jwks="/keys.json", database_url="postgresql://x")


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", Path("model")), ("spool", Path("var/spool")), ("jwks", "keys.json"), ("smoke_jwks", "keys.json"),
     ("role_file", "role")],
)  # fmt: skip
def test_a_relative_path_is_refused_in_a_bento_alone(name: str, value: Path | str) -> None:
    chosen = dataclasses.replace(ABSOLUTE, **cast("dict[str, Any]", {name: value}))
    with pytest.raises(BadInput, match=f"SLIPWAY_{name.upper()} is relative"):
        bento_worker.refuse_relative(chosen, BENTO)
    bento_worker.refuse_relative(chosen, None)


def test_absolute_paths_addresses_and_an_unused_spool_are_taken() -> None:
    bento_worker.refuse_relative(ABSOLUTE, BENTO)
    bento_worker.refuse_relative(dataclasses.replace(ABSOLUTE, jwks="https://login.example/jwks"), BENTO)
    bento_worker.refuse_relative(dataclasses.replace(ABSOLUTE, spool=Path("var/spool"), journal="off"), BENTO)


def test_nothing_is_replaced_outside_of_a_worker() -> None:
    bento_worker.bound_connections()
    assert not bento_worker.bounded()


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Signals that came through to what handles SIGTERM."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    yield came
    signal.signal(signal.SIGTERM, before)


def test_sigterm_drains_first_and_the_second_stops(stopped: list[int]) -> None:
    parts: Any = SimpleNamespace(draining=False, settings=SimpleNamespace(drain_seconds=0.05))

    async def run() -> None:
        bento_worker.drain_first(parts)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        assert parts.draining
        assert stopped == []
        ends = asyncio.get_running_loop().time() + 5
        while not stopped and asyncio.get_running_loop().time() < ends:
            await asyncio.sleep(0.01)
        assert stopped == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        assert stopped == [signal.SIGTERM] * 2

    asyncio.run(run())

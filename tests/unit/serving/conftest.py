from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.input import schema
from serving.input.schema import Schema

FOLDER = Path(__file__).parents[2] / "fixtures" / "flight-delay"


@pytest.fixture(scope="session")
def exported() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def contract() -> Schema:
    return schema.parse((FOLDER / "schema.json").read_bytes())


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "golden.json").read_bytes())["rows"]
    return found

from __future__ import annotations

import pytest

from tests import times

pytest_plugins = ["pytester"]  # runs of pytest, in tests of what is added to it here


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", help="print the seconds by file, and hold them to this tier of tests/budgets.yaml")


def pytest_configure(config: pytest.Config) -> None:
    times.install(config)

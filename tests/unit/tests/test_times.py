"""Budgets of the tiers: what is over is found, and how busy the machine was is no ground to fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests import times
from tests.times import Budget, overrun, read

ROOT = Path(__file__).parents[3]
DOCUMENT = yaml.safe_load(times.BUDGETS.read_text())
BUDGET = Budget(seconds=100, yardstick_seconds=0.01, share=0.5, shares={"long.py": 0.9})
HALVES = {"a.py": 50.0, "b.py": 50.0}


def test_a_tier_within_its_budget_passes() -> None:
    assert overrun(BUDGET, HALVES, 100, [0.01]) == []


def test_a_tier_over_its_seconds_is_found() -> None:
    assert overrun(BUDGET, HALVES, 101, [0.005]) == ["the tier took 101 s of 100 s"]


def test_a_machine_of_half_the_pace_is_given_twice_the_seconds() -> None:
    assert overrun(BUDGET, HALVES, 199, [0.02, 0.02, 9.0]) == []
    assert overrun(BUDGET, HALVES, 201, [0.02, 0.02, 0.001]) == ["the tier took 201 s of 200 s"]


def test_a_file_over_its_share_is_found_on_any_machine() -> None:
    assert overrun(BUDGET, {"a.py": 60.0, "b.py": 40.0}, 1, [0.5]) == ["a.py took 60.0% of the tier, of 50.0%"]
    assert overrun(BUDGET, {"long.py": 85.0, "b.py": 15.0}, 1, []) == []
    assert overrun(BUDGET, {"long.py": 95.0, "b.py": 5.0}, 1, []) == ["long.py took 95.0% of the tier, of 90.0%"]


@pytest.mark.parametrize("tier", DOCUMENT["tiers"])
def test_a_tier_names_files_that_exist(tier: str) -> None:
    gone = [file for file in read(tier).shares if not (ROOT / "tests" / file).is_file()]
    assert not gone, "take them off tests/budgets.yaml"


def test_every_run_of_the_makefile_has_a_budget() -> None:
    runs = re.findall(r"^\tpytest .*", (ROOT / "Makefile").read_text(), re.MULTILINE)
    names = re.findall(r"--tier ([\w-]*)(?:\$\(if \$\(filter \w+,\$\(\w+\)\),(\w+),(\w+)\))?", "\n".join(runs))
    tiers = {tier + end for tier, *ends in names for end in ([one for one in ends if one] or [""])}
    assert len(names) == len(runs) > 5
    assert tiers == set(DOCUMENT["tiers"])


def test_a_run_fails_that_passes_over_its_budget(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeconftest("from tests.conftest import pytest_addoption, pytest_configure")
    pytester.makepyfile(test_one="def test_one(): pass", test_two="import time\ndef test_two(): time.sleep(0.05)")
    monkeypatch.setattr(times, "read", lambda _: Budget(100, 1.0, 0.5, {}))
    over = pytester.runpytest_inprocess("--tier", "fast", "-p", "no:cacheprovider")
    over.stdout.fnmatch_lines(["over budget: test_two.py took *% of the tier, of 50.0%; next: *"])
    assert over.ret == pytest.ExitCode.TESTS_FAILED
    monkeypatch.setattr(times, "read", lambda _: Budget(100, 1.0, 1.0, {}))
    within = pytester.runpytest_inprocess("--tier", "fast", "-p", "no:cacheprovider")
    assert within.ret == pytest.ExitCode.OK
    within.stdout.fnmatch_lines(["*in all, in * s of * s; pace *"])

"""Seconds of a tier by file, and the budgets of tests/budgets.yaml that hold them (docs/adr/0106-test-budgets.md).

`--tier NAME` turns it on; works with and without pytest-xdist.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

BUDGETS = Path(__file__).with_name("budgets.yaml")
SHOWN_SECONDS = 1.0
TESTS_BETWEEN_PACES = 10
PACE = "yardstick_seconds"


@dataclass(frozen=True)
class Budget:
    """What a tier may take: seconds on a machine of the yardstick's pace, and the share of any one file."""

    seconds: float
    yardstick_seconds: float
    share: float
    shares: dict[str, float]

    def limit(self, file: str) -> float:
        """Return the largest share of the tier that a file may have."""
        return self.shares.get(file, self.share)


def read(tier: str, path: Path = BUDGETS) -> Budget:
    """Read a tier's budget."""
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    row = document["tiers"][tier]
    return Budget(row["seconds"], document["yardstick_seconds"], row["share"], row.get("files") or {})


def yardstick() -> float:
    """Return the seconds that a fixed piece of work takes now: more on a slower machine, and on a busy one."""
    begun = time.perf_counter()
    total = 0
    for number in range(200_000):
        total += number & 7
    return time.perf_counter() - begun


def overrun(budget: Budget, seconds: dict[str, float], took: float, paces: list[float]) -> list[str]:
    """Say what is over its budget.

    `seconds` by file, summed over workers; `took` from the session's start to its end; `paces` in seconds a yardstick.
    """
    slower = slowness(budget, paces)
    limit = budget.seconds * slower
    lines = [f"the tier took {took:.0f} s of {limit:.0f} s"] if took > limit else []
    total = sum(seconds.values())
    for file, spent in seconds.items():
        if spent > budget.limit(file) * total:
            lines.append(f"{file} took {spent / total:.1%} of the tier, of {budget.limit(file):.1%}")
    return lines


def slowness(budget: Budget, paces: list[float]) -> float:
    """Return how much slower the machine was than the budget's, 1 where it was not."""
    return max(1.0, statistics.median(paces) / budget.yardstick_seconds) if paces else 1.0


class Pace:
    """Times the yardstick between tests, in the process that runs them."""

    def __init__(self) -> None:
        self.tests = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Give every tenth test the pace of the machine to report."""
        if self.tests % TESTS_BETWEEN_PACES == 0:
            item.user_properties.append((PACE, yardstick()))
        self.tests += 1


class Times:
    """Adds up what the tests report, in the one process that prints."""

    def __init__(self, tier: str) -> None:
        self.tier, self.budget = tier, read(tier)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.paces: list[float] = []
        self.begun = time.monotonic()
        self.over: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count set-up, call and teardown to the test's file."""
        self.seconds[report.nodeid.partition("::")[0].removeprefix("tests/")] += report.duration
        if report.when == "setup":
            self.paces += [float(str(value)) for name, value in report.user_properties if name == PACE]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a tier that passed and took too long."""
        self.took = time.monotonic() - self.begun
        if session.exitstatus == pytest.ExitCode.OK and self.seconds:
            self.over = overrun(self.budget, self.seconds, self.took, self.paces)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED if self.over else session.exitstatus

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, and what is over."""
        write, total = terminalreporter.write_line, sum(self.seconds.values())
        terminalreporter.section(f"seconds of the tier {self.tier} by file")
        ordered = sorted(self.seconds.items(), key=lambda pair: -pair[1])
        shown = [pair for pair in ordered if pair[1] >= SHOWN_SECONDS]
        for file, spent in shown:
            write(f"{spent:8.1f} {spent / total:6.1%} of {self.budget.limit(file):6.1%}  {file}")
        rest = total - sum(spent for _, spent in shown)
        write(f"{rest:8.1f}  in {len(self.seconds) - len(shown)} files of less than {SHOWN_SECONDS:.0f} s each")
        slower = slowness(self.budget, self.paces)
        write(f"{total:8.1f}  in all, in {self.took:.0f} s of {self.budget.seconds * slower:.0f} s; pace {slower:.2f}")
        for line in self.over:
            write(f"over budget: {line}; next: make it faster, mark it long, or change tests/budgets.yaml", red=True)


def install(config: pytest.Config) -> None:
    """Register what the process needs for the tier of `--tier`."""
    tier = config.getoption("--tier")
    if not tier:
        return
    workers = hasattr(config, "workerinput")
    if not workers:
        config.pluginmanager.register(Times(tier), "times")
    config.pluginmanager.register(Pace(), "pace")

"""Every table that a command prints, on terminals of 80, 120 and 200 columns and into a pipe."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from monitoring import cli as monitoring
from monitoring.drift import JudgedColumn
from registry import cli as registry
from registry.tracking import Version
from registry.verdict import Rule, Verdict
from release.audit.audit import AuditEntry
from release.cluster.rollouts import Rollout
from release.git.commits import Actor, Commit
from release.git.history import EnvironmentStep
from release.release_file import Release
from release.views.differences import Difference, Place
from release.views.status import Status
from release.views.table import entries, releases, table
from slipway.table import Heading, Listing
from training import cli as training
from training.search import Result

WIDTHS = (80, 120, 200)
MODEL, DIGEST, SHA = "flight-very-late", "sha256:" + "98fe" * 16, "c26c1a157b98a7d600e8cef53844840524e3a404"
ANN, BOB = Actor("Ann Kathrin Example", "ann.example@example.com"), Actor("Bob", "bob@example.com")
WHEN = "2026-11-24T19:00:37+00:00"
REASON = "late answers at JFK, in production and in staging, since the snow began on Monday morning"


def release(environment: str, version: int) -> Place:
    made = Release(MODEL, version, "0" * 32, SHA, "b" * 32, "c" * 64, "d" * 64, "host/flight", DIGEST)
    state: dict[str, Any] = {"phase": "Progressing", "message": "", "digest": DIGEST, "version": "12", "active": "x"}
    state |= {"active_version": "11", "preview": None, "aborted": False, "failed": None, "analysis": None}
    return Place(environment, "flight", made, Rollout("flight", MODEL, healthy_since=None, **state), None)


def status(wide: bool) -> Any:
    versions = (Version(MODEL, 12, "0" * 32, 0, {"verdict": "passed"}, ("challenger", "champion")),)
    differs = (Difference(f"rejected: {REASON}", "slipway rollback", "staging"),)
    return table([Status(MODEL, release("staging", 12), release("production", 12), (), versions, differs)], wide)


def audit(wide: bool) -> Listing:
    row = (1041, "key", WHEN, str(ANN), "rollback", MODEL, 12, DIGEST, DIGEST, REASON, "0" * 64, "1" * 64)
    return entries([AuditEntry(*row)], wide)


def history(wide: bool) -> Listing:
    trailers = {"Slipway-Action": "promote", "Slipway-Approved-By": str(BOB)}
    commit = Commit(SHA, ("a" * 40, "b" * 40), BOB, BOB, WHEN, "Approve", trailers)
    return releases([EnvironmentStep(commit, ANN, release("production", 12).release)], wide)


def versions(wide: bool) -> Listing:
    tags = {"verdict": "failed", "git_commit": SHA, "git_dirty": "true", "roc_auc": "0.68991"}
    listed = registry._listed(Version(MODEL, 12, "f" * 32, 1795755904000, tags, ("challenger", "champion")))
    return registry._table_of([listed], wide)


def verdict(wide: bool) -> Listing:
    rule = Rule("calibration_in_the_large", False, REASON, 0.0123456, 0.01)
    return registry._table(Verdict((rule, Rule("slices", None, "none"))))


def drift(wide: bool) -> Listing:
    return monitoring._table([JudgedColumn("departure_delay_of_the_aircraft_before", 0.4, 0.2, 0.1, 0.01, 0.5)], wide)


def tune(wide: bool) -> Listing:
    candidate = {"learning_rate": 0.04519, "max_iter": 400, "max_leaf_nodes": 31, "min_samples_leaf": 200}
    best = Result(0, candidate | {"l2_regularization": 1.5}, {"log_loss": 0.4198, "roc_auc": 0.6899})
    return training._table_of([best], wide)


Shown = Callable[[bool], Any]

# What each shows on the narrowest terminal, uncut; what it shows with --wide.
SHOWN: dict[Shown, tuple[tuple[str, ...], tuple[str, ...]]] = {
    status: (("staging", "version 12", "differs", "ok"), (MODEL, DIGEST[7:19], "champion 12, passed")),
    audit: (("1041", WHEN[:16], "rollback", "12", DIGEST[7:19]), (WHEN, str(ANN), DIGEST, REASON, MODEL)),
    history: ((WHEN[:16], "12", "promote", BOB.email, DIGEST[7:19]), (WHEN, str(ANN), str(BOB), DIGEST, SHA)),
    versions: (
        (MODEL, "12", "failed", "challenger, champion", "2026-11-27T05:05"),
        (SHA[:12] + " + changes", "f" * 32),
    ),
    verdict: (("calibration_in_the_large", "failed", "0.0123456", "0.01", "n/a"), (REASON,)),
    drift: (("drift", "0.400", "0.200", "50.0%"), ("departure_delay_of_the_aircraft_before", "1.0%", "0.100")),
    tune: (("now", "0.41980", "0.6899"), ("l2_regularization=1.5",)),
}


def printed(what: Any, width: int | None) -> list[str]:
    to = io.StringIO()
    Console(file=to, width=width, force_terminal=width is not None).print(what, soft_wrap=True, highlight=False)
    return re.sub(r"\x1b\[[0-9;]*m", "", to.getvalue()).splitlines()


def column(lines: list[str], name: str) -> str:
    """Put together what stands below a heading, however many lines it takes, without its spaces."""
    begins = lines[0].index(name)
    ends = next((at.start() for at in re.finditer(r"(?<=  )\S", lines[0]) if at.start() > begins), None)
    return "".join("".join(line[begins:ends].split()) for line in lines[1:])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("make", SHOWN, ids=lambda make: make.__name__)
def test_a_table_fits_its_terminal_and_cuts_nothing_that_it_shows(make: Shown, width: int) -> None:
    shown = make(False)
    lines = printed(shown, width)
    rows = [line for line in lines if not line.startswith((MODEL + ":", "  next:"))]  # sentences wrap in the terminal
    assert max(map(len, rows)) <= width, rows
    assert not [line for line in rows if "…" in line]
    for cell in SHOWN[make][0]:
        assert [line for line in rows if cell in line], (cell, rows)
    if isinstance(shown, Listing):
        for number, heading in enumerate(shown.columns):
            if heading.wraps and heading.name in lines[0]:
                assert column(rows, heading.name).startswith("".join(shown.rows[0][number].plain.split()))


@pytest.mark.parametrize("make", [make for make in SHOWN if make is not verdict], ids=lambda make: make.__name__)
def test_wide_cuts_nothing_on_any_terminal(make: Shown) -> None:
    text = "\n".join(printed(make(True), 80))
    assert not [cell for cell in (*SHOWN[make][0], *SHOWN[make][1]) if cell not in text], text
    assert "--wide" not in text


@pytest.mark.parametrize("make", SHOWN, ids=lambda make: make.__name__)
def test_a_pipe_gets_every_column(make: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = make(False)
    listing = shown if isinstance(shown, Listing) else shown.renderables[0]
    lines = printed(shown, None)
    assert re.split(r"  +", lines[0].strip()) == [one.name for one in listing.columns]
    assert "--wide" not in "\n".join(lines)


def test_what_does_not_fit_is_named() -> None:
    columns = (Heading("name"), Heading("commit", 2), Heading("owner", 1))
    listing = Listing(columns, [["a" * 10, "b" * 40, "c" * 20]])
    assert printed(listing, 80)[-1].split() == ["a" * 10, "b" * 40, "c" * 20]
    assert printed(listing, 70)[1:] == [f"{'a' * 10}  {'c' * 20}", "--wide also shows: commit"]
    assert printed(listing, 20)[1:] == ["a" * 10, "--wide also shows: commit, owner"]


def test_a_narrower_terminal_than_a_table_needs_breaks_lines_and_loses_nothing() -> None:
    row = ["a" * 30, "b" * 30]
    assert printed(Listing((Heading("one"), Heading("two")), [row]), 40)[1].split() == row


def test_the_row_that_differs_is_marked_whatever_its_reason_says() -> None:
    staging, production = [line for line in printed(status(True), 200) if " version 12" in line][:2]
    assert "differs" in staging
    assert "ok" in production

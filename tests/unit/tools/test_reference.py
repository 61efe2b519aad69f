"""What the code has stands in the reference: looked for here in another way than the pages are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from slipway import cli
from tools.reference import alerts, commands, meanings, metrics, pages, parameters, variables
from tools.rooms import ROOMS

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs/reference"
SOURCES = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_what_the_code_gives(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == pages.PAGES[name](), (
        f"{name} is stale; next: make docs-reference"
    )


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_and_every_option_has_its_entry(name: str) -> None:
    shown = CliRunner().invoke(cli.slipway, [name, "--help"], env={"COLUMNS": "200"}).output
    said = page("cli.md").partition(f"\n### slipway {name}\n")[2].partition("\n### ")[0]
    options = re.findall(r"(?<!\S)(--[a-z][a-z-]*)", shown)
    assert options
    assert {option for option in options if option != "--help"} <= set(re.findall(r"--[a-z][a-z-]*", said))


def test_every_variable_that_a_source_names_has_its_entry() -> None:
    named = {
        name for path in SOURCES for name in re.findall(r"""["'](SLIPWAY_[A-Z0-9_]*[A-Z0-9])["']""", path.read_text())
    }
    assert len(named) > 20
    assert named <= set(re.findall(r"`([A-Z0-9_]+)`", page("environment.md")))


def test_every_metric_that_a_query_asks_for_has_its_entry() -> None:
    there = set(re.findall(r"^\| `(\w+)`", page("metrics.md"), flags=re.MULTILINE))
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for path in (ROOT / "gitops").rglob("*.[jy]*")
        for name in re.findall(r"\bslipway_[a-z_]+", path.read_text(encoding="utf-8"))
    }
    assert len(asked) > 5
    assert asked <= there


def test_every_metric_says_what_it_is() -> None:
    assert all(metric.meaning for metric in metrics.found())


def test_every_parameter_says_what_it_is() -> None:
    silent = [key.path for key in parameters.found() if not key.comment]
    assert not silent, "params.yaml: say in a comment what these mean"


def test_every_alert_says_what_to_do_first() -> None:
    said = page("alerts.md")
    for alert in alerts.found():
        entry = re.search(rf"^### {alert.name}\n(.*?)(?=^### |\Z)", said, flags=re.MULTILINE | re.DOTALL)
        assert entry, f"{alert.name} has no entry in alerts.md"
        assert "First step:" in entry[1] or "slipway" in entry[1], f"{alert.name}: what to do first?"


def test_a_variable_without_words_is_refused() -> None:
    there = set(meanings.meanings("environment"))
    assert meanings.complete("environment", there)
    with pytest.raises(meanings.Unexplained, match="SLIPWAY_NEW"):
        meanings.complete("environment", there | {"SLIPWAY_NEW"})
    with pytest.raises(meanings.Unexplained, match="nothing reads these"):
        meanings.complete("environment", there - {"SLIPWAY_ACTOR"})


def test_groups_are_walked() -> None:
    names = {name for _, name, _ in commands.found()}
    assert {"slipway stack up", "slipway journal prune"} <= names
    assert "SLIPWAY_JWKS" in variables.server()

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from slipway import cli

SLIPWAY = Path(sys.executable).with_name("slipway")


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    shown = CliRunner().invoke(cli.slipway, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    assert "Example" in shown.output
    assert f"slipway {name}" in shown.output


def test_the_overview_lists_every_command_without_importing_a_room() -> None:
    code = (
        "import sys; sys.argv = ['slipway', '--help']\n"
        "from slipway import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in sys.modules if m.split('.')[0] in {'training', 'registry', 'serving', 'mlflow', 'pandas'}])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in cli.COMMANDS:
        assert name in shown
    assert shown.rstrip().endswith("[]")


def test_an_unknown_command_is_a_usage_error() -> None:
    ran = subprocess.run([SLIPWAY, "regster"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "regster" in ran.stderr


def test_each_command_is_in_exactly_one_group_and_shown_there() -> None:
    named = [name for entries in cli.GROUPS.values() for name in entries]
    assert sorted(named) == sorted(cli.COMMANDS), "a command in two groups"
    shown = CliRunner().invoke(cli.slipway, ["--help"], env={"COLUMNS": "200"}).output
    titles = re.findall(r"^[╭+][-─ ]+(\w+) ", shown, re.MULTILINE)
    assert titles == ["Options", *cli.GROUPS]
    for group, entries in cli.GROUPS.items():
        panel = re.search(rf"{group} [-─]+[╮+]\n(.*?)\n[╰+]", shown, re.DOTALL)
        assert panel, shown
        assert re.findall(r"^[│|] ([a-z]+) ", panel[1], re.MULTILINE) == list(entries)


def test_the_page_of_commands_has_the_same_groups() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text()
    found = {
        part.split("\n")[0]: re.findall(r"^### slipway (\w+)$", part, re.MULTILINE) for part in page.split("\n## ")[1:]
    }
    assert found == {group: list(entries) for group, entries in cli.GROUPS.items()}

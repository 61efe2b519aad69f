"""What is written down is there, and what is there is written down."""

import re
import subprocess
from pathlib import Path

import pytest

from slipway import cli

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("[A-Z]*.md")),
    ROOT / "data/README.md",
]


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_stands_in_the_docs(name: str) -> None:
    assert any(f"slipway {name}" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


def test_every_make_target_the_docs_name_exists() -> None:
    made = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", ".github/delivery.mk"))
    there = set(re.findall(r"^([a-z0-9-]+):", made, flags=re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z0-9-]+)", page.read_text(encoding="utf-8")))
        assert named <= there, f"{page.name}: {sorted(named - there)}"


def test_every_page_that_the_code_names_is_there() -> None:
    """An error that says where to read on must not lead nowhere."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    named: dict[str, str] = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".mk", ".yaml", ".yml", ".toml", ".env"} or path.name == "Makefile":
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            named |= dict.fromkeys(re.findall(r"(?<![\w/.])docs/[\w/-]+\.md", text), name)
    assert len(named) > 10
    gone = {page: name for page, name in named.items() if not (ROOT / page).is_file()}
    assert not gone

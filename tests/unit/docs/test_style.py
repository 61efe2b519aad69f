"""What docs/style.md asks for and a machine can measure: its own list of words, and titles in sentence case."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.slipway.test_errors import FILES, KINDS, name_of, tree
from tools.rooms import ROOT as TOP

STYLE = (TOP / "docs/style.md").read_text(encoding="utf-8")
PAGES = [
    page
    for page in sorted([*(TOP / "docs").rglob("*.md"), TOP / "README.md", TOP / "CONTRIBUTING.md", TOP / "SECURITY.md"])
    if page.parent.name != "adr" and page.name != "style.md"
]
WORKFLOWS = sorted([*(TOP / ".github").rglob("*.yml"), *(TOP / ".github").rglob("*.yaml")])
RULES = sorted((TOP / "gitops/platform/monitoring/rules").glob("*.yaml"))
LOGGED = {"debug", "info", "warning", "error", "exception", "critical"}


def listed(name: str) -> Any:
    """Return the list of style.md that begins with the comment `# name`."""
    (block,) = re.findall(rf"```yaml\n# {name}\n(.*?)```", STYLE, flags=re.DOTALL)
    return yaml.safe_load(block)


WORDS = {re.compile(pattern): instead for pattern, instead in listed("words").items()}
NAMES = set(listed("names"))


def violations(text: str) -> list[str]:
    return [f"{found.group()!r} in {text[:90]!r}: {WORDS[word]}" for word in WORDS for found in word.finditer(text)]


def texts_of(node: ast.AST) -> Iterator[str]:
    """Give the literal parts of every string below a node."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def messages(path: Path) -> Iterator[str]:
    """Give the texts of a file's errors and log lines."""
    for node in ast.walk(tree(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = name_of(node.func)
        if called in KINDS:
            yield from texts_of(node)
        elif called in LOGGED and isinstance(node.func, ast.Attribute) and node.args:
            yield from texts_of(node.args[0])


def prose(page: Path) -> str:
    """Return a page without its code: blocks, comments and what is quoted as code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"^    .*$|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.MULTILINE)


def headings(page: Path) -> list[str]:
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)


def miscased(heading: str) -> list[str]:
    """Return the words of a heading that sentence case writes otherwise."""
    heading = re.sub(r"^\d+\. ", "", heading)
    words = re.sub(r"`[^`]*`|\[([^]]*)\]\([^)]*\)", r"\1", heading).split()
    bare = [word.strip("().,:;?!\"'") for word in words]
    capital = [word for word in bare[1:] if word[:1].isupper() and word.removesuffix("'s") not in NAMES]
    first = bare[0] if bare and re.fullmatch("[a-z]+", bare[0]) and not heading.startswith("`") else ""
    return [*([first] if first and first not in NAMES else []), *capital]


def test_messages_use_our_words() -> None:
    found = {str(path.relative_to(TOP)): [bad for text in messages(path) for bad in violations(text)] for path in FILES}
    assert {path: bad for path, bad in found.items() if bad} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_a_page_uses_our_words(page: Path) -> None:
    assert [bad for line in prose(page).splitlines() for bad in violations(line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_titles_are_in_sentence_case(page: Path) -> None:
    assert {heading: bad for heading in headings(page) if (bad := miscased(heading)) or heading.endswith(".")} == {}


def test_names_of_jobs_and_texts_of_alerts_use_our_words() -> None:
    lines = [(path, line) for path in WORKFLOWS for line in path.read_text().splitlines() if "name:" in line]
    lines += [(path, line) for path in RULES for line in path.read_text().splitlines() if ":" in line]
    assert len(lines) > 100
    assert [f"{path.name}: {bad}" for path, line in lines for bad in violations(line)] == []


@pytest.mark.parametrize(
    "text",
    ["NAME is no model's name", "the gate said no", "it is copied whole", "nobody approves", "mend the overlay"],
)
def test_the_list_finds_what_it_names(text: str) -> None:
    assert violations(text)


@pytest.mark.parametrize("text", ["there is no such file", "it is no longer there", "two whole numbers", "it stood"])
def test_the_list_leaves_english_alone(text: str) -> None:
    assert not violations(text)


def test_a_title_is_measured() -> None:
    assert miscased("How To Release") == ["To", "Release"]
    assert miscased("a model of your own") == ["a"]
    assert not miscased("Promote from MLflow's page")
    assert not miscased("`slipway stack` on one machine")

"""What is refused and which faults are survived, each with its tests: refused.yaml and survived.yaml as pages.

Owns the tables inside docs/threat-model.md and docs/resilience.md, between two marks, and the pages of tests. The
rest of the two pages is written by hand.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import yaml

from tools.reference.markdown import page, table
from tools.rooms import ROOT

BEGIN = "<!-- Written by `make docs-reference` from {}; change it there. -->"
END = "<!-- End of what `make docs-reference` writes. -->"
INTRODUCTION = (
    "Every row of {}, in its order, with the tests that fail when its outcome is another. The files are below `tests/`; the "
    "first part of a path is the [tier](../architecture.md). `make test` fails where a row has no test, or a test is missing."
)


@dataclass(frozen=True)
class Row:
    """An input or a fault, what it leads to, and the names of the tests by file below tests/."""

    cause: str
    outcome: str
    tests: dict[str, list[str]]


@dataclass(frozen=True)
class Promises:
    """One file of rows: `cause` is what a row's first cell is called, `doc` has the tables, `index` the tests."""

    file: str
    cause: str
    doc: str
    index: str
    title: str
    link: str

    @functools.cached_property
    def sections(self) -> dict[str, list[Row]]:
        """Return the rows by section, as the file has them."""
        content: list[dict[str, Any]] = yaml.safe_load((ROOT / self.file).read_text(encoding="utf-8"))
        return {
            part["section"]: [Row(row[self.cause], row["outcome"], row["tests"]) for row in part["rows"]]
            for part in content
        }

    def rows(self) -> list[Row]:
        """List the rows of all sections."""
        return [row for rows in self.sections.values() for row in rows]

    def write_doc(self) -> str:
        """Return the page with its tables renewed.

        Raises:
            ValueError: the page lacks one of the two marks.
        """
        begin = BEGIN.format(f"`{self.file}`")
        before, mark, rest = (ROOT / self.doc).read_text(encoding="utf-8").partition(begin)
        _, last_mark, after = rest.partition(END)
        if not mark or not last_mark:
            raise ValueError(f"{self.doc} lacks the mark {END if mark else begin}")
        tables = [
            f"### {section}\n\n" + table((self.cause, "outcome"), ((row.cause, row.outcome) for row in rows))
            for section, rows in self.sections.items()
        ]
        return f"{before}{begin}\n\n" + "\n\n".join(tables) + f"\n\n{END}{after}"

    def write_index(self) -> str:
        """Return the page of the tests behind each row."""
        parts = []
        for section, rows in self.sections.items():
            parts.append(f"## {section}")
            parts += [f"- **{row.cause}**\n{_listed(row.tests)}" for row in rows]
        return page(self.title, INTRODUCTION.format(self.link), *parts)


REFUSED = Promises(
    file="tools/reference/refused.yaml",
    cause="input",
    doc="docs/threat-model.md",
    index="docs/reference/refusals.md",
    title="The tests behind each refusal",
    link="the [threat model](../threat-model.md#what-is-refused)",
)
SURVIVED = Promises(
    file="tools/reference/survived.yaml",
    cause="fault",
    doc="docs/resilience.md",
    index="docs/reference/survived.md",
    title="The tests behind each fault",
    link="[faults and outcomes](../resilience.md#faults-and-outcomes)",
)


def _listed(tests: dict[str, list[str]]) -> str:
    lines: list[str] = []
    for file, names in tests.items():
        lines += [f"  - `{file}`", *(f"    - `{name}`" for name in names)]
    return "\n".join(lines)

"""Markdown as the reference pages need it."""

from __future__ import annotations

from collections.abc import Iterable

WRITTEN = "<!-- Written by `make docs-reference` from the code; change it there. -->\n\n"


def page(title: str, *parts: str) -> str:
    """Join the parts of a page."""
    return f"# {title}\n\n" + WRITTEN + "\n\n".join(part.strip("\n") for part in parts if part.strip()) + "\n"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table; a bar or a line's end inside a cell stays inside it."""
    names = list(heads)
    lines = [names, ["---"] * len(names), *([cell(each) for each in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(text: str) -> str:
    """Make one line of a text, safe inside a table; what is quoted as code keeps its angle brackets."""
    parts = " ".join(text.split()).replace("|", r"\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def code(text: object) -> str:
    """Quote as code, nothing for nothing."""
    return f"`{text}`" if str(text) else ""

"""A table that fits its terminal: what matters first, no cell cut, the rest with --wide.

Columns that do not fit are left out and named below; a cell that may wrap goes on in the next line. Printed
into a file or a pipe, which has no width, every column is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

WIDE = click.option("--wide", is_flag=True, help="Show every column, however wide the terminal.")
GAP, NARROWEST = 2, 16


@dataclass(frozen=True)
class Heading:
    """One column; those of the highest `rank` are left out first, those of rank 0 never; `wraps` where text may."""

    name: str
    rank: int = 0
    wraps: bool = False


class Listing:
    """Rows of plain text or rich's Text under these columns."""

    def __init__(self, columns: Sequence[Heading], rows: Iterable[Sequence[str | Text]], wide: bool = False) -> None:
        self.columns = columns
        self.rows = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
        self.wide = wide

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give as many columns as fit."""
        endless = self.wide or not (console.is_terminal or os.environ.get("COLUMNS"))
        shown = self._shown(None if endless else options.max_width)
        least = sum(self._least(one) + GAP for one in shown)  # a terminal that is narrower breaks the line itself
        width = sum(self._widest(one) + GAP for one in shown) if endless else max(options.max_width, least)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for one in shown:
            column = self.columns[one]
            table.add_column(column.name, no_wrap=not column.wraps, overflow="fold")
        for row in self.rows:
            table.add_row(*(row[one] for one in shown))
        yield from console.render(table, options.update(max_width=width))
        left = [column.name for number, column in enumerate(self.columns) if number not in shown]
        if left:
            yield Text(f"--wide also shows: {', '.join(left)}", style="dim")

    def _shown(self, width: int | None) -> list[int]:
        shown = list(range(len(self.columns)))
        while width is not None and sum(self._least(one) + GAP for one in shown) - GAP > width:
            last = max(shown, key=lambda one: (self.columns[one].rank, one))
            if self.columns[last].rank == 0:
                break
            shown.remove(last)
        return shown

    def _least(self, number: int) -> int:
        widest = self._widest(number)
        return min(widest, NARROWEST) if self.columns[number].wraps else widest

    def _widest(self, number: int) -> int:
        return max(len(self.columns[number].name), *(row[number].cell_len for row in self.rows), 0)


def show(listing: Listing) -> None:
    """Print a table on standard output."""
    Console(soft_wrap=True, highlight=False).print(listing)

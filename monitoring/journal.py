"""Counts what the journal holds of a model's requests, a few thousand at a time; reads and never writes.

What it asks of the tables is in journal/queries.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.bins import Categories, Counts
from monitoring.reference import Column

if TYPE_CHECKING:
    from journal.queries import Answer


@dataclass
class Window:
    """What was counted: rows by model version, and a count by bin of each column."""

    model: str
    counts: dict[str, Counts]
    versions: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows were predicted."""
        return sum(self.versions.values())


def count(url: str, model: str, columns: tuple[Column, ...], since: datetime, until: datetime) -> Window:
    """Count the rows of `model` from `since` to before `until`; the last column is the score.

    Raises:
        BadInput: the journal's tables are not there.
        Unavailable: PostgreSQL does not answer.
    """
    from journal import queries

    window = Window(model, {one.name: np.zeros(one.bins.size, dtype=np.int64) for one in columns})
    for batch in queries.window(url, model, since, until):
        _add(window, columns, batch)
    return window


def _add(window: Window, columns: tuple[Column, ...], batch: list[Answer]) -> None:
    for version, features, _ in batch:
        window.versions[version] = window.versions.get(version, 0) + len(features)
    rows = [row for _, features, _ in batch for row in features]
    for column in columns[:-1]:
        window.counts[column.name] += _counted(column, [row.get(column.name) for row in rows])
    window.counts[columns[-1].name] += _counted(columns[-1], [score for _, _, scores in batch for score in scores])


def _counted(column: Column, values: list[Any]) -> Counts:
    kind = object if isinstance(column.bins, Categories) else np.float64  # None becomes NaN
    places = column.bins.places(np.asarray(values, dtype=kind))
    return np.bincount(places, minlength=column.bins.size).astype(np.int64)

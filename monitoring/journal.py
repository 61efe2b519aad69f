"""Counts what the journal holds of a model's requests, a few thousand at a time; reads and never writes.

What it asks of the tables is in journal/queries.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from monitoring.bins import Categories, Counts
from monitoring.reference import BinnedColumn, DriftReference

if TYPE_CHECKING:
    from journal.queries import AnsweredRequest


@dataclass
class JournalWindow:
    """What was counted: rows by model version, and a count by bin of each column."""

    model: str
    counts: dict[str, Counts]
    versions: dict[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows were predicted."""
        return sum(self.versions.values())


def count(url: str, reference: DriftReference, since: datetime, until: datetime) -> JournalWindow:
    """Count the rows of the reference's model from `since` to before `until`.

    Raises:
        BadInput: the journal's tables are not there.
        Unavailable: PostgreSQL does not answer.
    """
    from journal import queries

    model, columns = reference.model, reference.columns
    window = JournalWindow(model, {one.name: np.zeros(one.bins.size, dtype=np.int64) for one in columns})
    for batch in queries.window(url, model, since, until):
        _add(window, reference, batch)
    return window


def _add(window: JournalWindow, reference: DriftReference, batch: list[AnsweredRequest]) -> None:
    for version, features, _ in batch:
        window.versions[version] = window.versions.get(version, 0) + len(features)
    rows = [row for _, features, _ in batch for row in features]
    answered = {name: given for given, name in reference.answered.items()}
    width = math.prod(reference.task.shape)
    # Another version may have answered another task: what it answered is not compared.
    fitting = [scores for _, features, scores in batch if len(scores) == width * len(features)]
    scores = np.array([score for scores in fitting for score in scores], np.float64)
    answer = reference.task.watched(scores.reshape(-1, *reference.task.shape))
    for column in reference.columns:
        if column.name in answered:
            values: Any = answer[answered[column.name]]
        else:
            values = [row.get(column.name) for row in rows]
        window.counts[column.name] += _counted(column, values)


def _counted(column: BinnedColumn, values: Any) -> Counts:
    kind = object if isinstance(column.bins, Categories) else np.float64  # None becomes NaN
    places = column.bins.places(np.asarray(values, dtype=kind))
    return np.bincount(places, minlength=column.bins.size).astype(np.int64)

"""Counts what the journal holds of a model's requests, a few thousand at a time; reads and never writes.

The tables are serving's: one row an answered request, its features an array of one object a predicted row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from monitoring.bins import Categories, Counts
from monitoring.reference import BinnedColumn, Reference
from slipway.errors import BadInput, Unavailable

BATCH = 2000  # requests
SECONDS_TO_CONNECT = 10
QUERY = """
SELECT model_version, features, scores FROM predictions
WHERE model = %s AND requested_at >= %s AND requested_at < %s
"""


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


def count(url: str, reference: Reference, since: datetime, until: datetime) -> JournalWindow:
    """Count the rows of the reference's model from `since` to before `until`.

    Raises:
        BadInput: the journal's tables are not there.
        Unavailable: PostgreSQL does not answer.
    """
    import psycopg

    model, columns = reference.model, reference.columns
    window = JournalWindow(model, {one.name: np.zeros(one.bins.size, dtype=np.int64) for one in columns})
    try:
        with psycopg.connect(url, connect_timeout=SECONDS_TO_CONNECT) as connection:
            connection.read_only = True
            for batch in _batches(connection, (model, since, until)):
                _add(window, reference, batch)
    except psycopg.errors.UndefinedTable as error:
        raise BadInput(
            "the database has no journal",
            expected="the table predictions",
            hint="check SLIPWAY_DATABASE_URL, then slipway journal migrate",
        ) from error
    except psycopg.Error as error:
        found = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(
            "the journal cannot be read",
            found=found,
            hint="check SLIPWAY_DATABASE_URL and that the database answers, then run the same command again",
        ) from error
    return window


def _batches(connection: Any, parameters: tuple[Any, ...]) -> Iterator[list[Any]]:
    with connection.cursor(name="drift") as cursor:  # of the server: a journal of any size passes through
        cursor.execute(QUERY, parameters)
        while batch := cursor.fetchmany(BATCH):
            yield batch


def _add(window: JournalWindow, reference: Reference, batch: list[Any]) -> None:
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

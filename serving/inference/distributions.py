"""Distributions of features and scores, cheap enough to keep for every request.

A request only puts its arrays on a list; they are counted together, a few
hundred rows at a time. A large batch gives a sample of its rows.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

import numpy as np

from serving.input.schema import Schema
from slipway.task import Task, watched_name

SAMPLED_ROWS = 32
FOLD_REQUESTS = 256
BUCKETS = 10
OTHER = "(other)"


@dataclass(frozen=True)
class Found:
    """Counts so far: (name, upper edges, count a bucket, sum) a feature, missing values, categories."""

    numeric: list[tuple[str, tuple[float, ...], np.ndarray, float]]
    missing: dict[str, int]
    categories: dict[tuple[str, str], int]


class Distributions:
    """Gather and count."""

    def __init__(self, schema: Schema, task: Task | None = None) -> None:
        self._schema = schema
        self._task = task or schema.answers()
        features = [feature.name for feature in schema.features]
        self._watched = {name: watched_name(name, features) for name in self._task.edges}
        self._edges = [_edges(f.minimum, f.maximum) for f in schema.ordered()[: len(schema.inputs.numeric)]]
        self._known = [set(f.categories or ()) for f in schema.ordered()[len(schema.inputs.numeric) :]]
        self._edges += self._task.edges.values()
        self._counts = [np.zeros(len(edges) + 1, np.int64) for edges in self._edges]
        self._sums = np.zeros(len(self._edges))
        self._missing = np.zeros(len(self._edges), np.int64)
        self._categories: Counter[tuple[str, str]] = Counter()
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._lock = threading.Lock()

    def add(self, numeric: np.ndarray, categorical: np.ndarray, scores: np.ndarray) -> None:
        """Take a request's rows."""
        if len(scores) > SAMPLED_ROWS:
            step = len(scores) // SAMPLED_ROWS + 1
            numeric, categorical, scores = numeric[::step], categorical[::step], scores[::step]
        self._waiting.append((numeric, categorical, scores))
        if len(self._waiting) >= FOLD_REQUESTS:
            self._fold()

    def read(self) -> Found:
        """Count what waits and return everything so far."""
        self._fold()
        names = [*self._schema.inputs.numeric, *self._watched.values()]
        numeric = [
            (name, edges, counts.copy(), float(total))
            for name, edges, counts, total in zip(names, self._edges, self._counts, self._sums, strict=True)
        ]
        missing = dict(zip(self._schema.inputs.numeric, (int(m) for m in self._missing), strict=False))
        return Found(numeric, missing, dict(self._categories))

    def _fold(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            watched = self._task.watched(np.concatenate([w[2] for w in waiting]))
            answers = [watched[name] for name in self._watched]
            numbers = np.column_stack([np.concatenate([w[0] for w in waiting]), *answers])
            for index, edges in enumerate(self._edges):
                column = numbers[:, index]
                present = column[~np.isnan(column)]
                places = np.searchsorted(edges, present, side="left")
                self._counts[index] += np.bincount(places, minlength=len(edges) + 1)
                self._sums[index] += float(present.sum(dtype=np.float64))
                self._missing[index] += len(column) - len(present)
            strings = np.concatenate([w[1] for w in waiting])
            for index, name in enumerate(self._schema.inputs.categorical):
                known = self._known[index]
                for value, count in Counter(strings[:, index].tolist()).items():
                    self._categories[name, value if value in known or not value else OTHER] += count
            for name in watched.keys() - self._watched.keys():  # an answer that is text, such as a label
                for value, count in Counter(watched[name].tolist()).items():
                    self._categories[name, value] += count


def _edges(low: float | None, high: float | None) -> tuple[float, ...]:
    if low is None or high is None:
        return tuple(float(10.0**power) for power in range(-3, 7))
    return tuple(float(edge) for edge in np.linspace(low, high, BUCKETS + 1)[1:])

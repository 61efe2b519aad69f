"""How the values of one column are counted: ten bins at most and one for what is missing, set by the reference.

Pure. Few bins, so that a small sample does not look like a change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10
Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Numbers:
    """Bins between the edges, each open below and closed above; a value of any size has one."""

    edges: tuple[float, ...]

    @property
    def size(self) -> int:
        """How many bins there are, the one for missing values included."""
        return len(self.edges) + 2

    def places(self, values: Values) -> Counts:
        """Return the bin of each value; NaN is missing, in the last."""
        numbers = values.astype(np.float64)
        found = np.searchsorted(self.edges, numbers, side="left").astype(np.int64)
        return np.where(np.isnan(numbers), self.size - 1, found)


@dataclass(frozen=True)
class Categories:
    """A bin for each of the most frequent categories, one for every other."""

    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many bins there are, the one for missing values included."""
        return len(self.names) + 2

    def places(self, values: Values) -> Counts:
        """Return the bin of each value; None and the empty string are missing, in the last."""
        known = {name: place for place, name in enumerate(self.names)}
        other, missing = len(self.names), self.size - 1
        found = [missing if value is None or value == "" else known.get(str(value), other) for value in values.tolist()]
        return np.asarray(found, dtype=np.int64)


Bins = Numbers | Categories


def numbers(reference: Values) -> Numbers:
    """Set bins that hold as many values of the reference each, as far as equal values allow.

    An edge lies midway between two values of the reference, not on one: many rows may have that value, and one
    that went through JSON or float32 has it but for the last digits.
    """
    there = reference.astype(np.float64)
    distinct = np.unique(there[~np.isnan(there)])
    if not len(distinct):
        return Numbers(())
    slack = 1e-6 * max(abs(distinct[0]), abs(distinct[-1]), 1.0)
    if len(distinct) == 1:
        return Numbers((float(distinct[0] - slack), float(distinct[0] + slack)))
    above = np.append((distinct[:-1] + distinct[1:]) / 2, distinct[-1] + slack)
    cuts = np.quantile(there[~np.isnan(there)], np.linspace(0, 1, BINS + 1)[1:-1])
    edges = above[np.searchsorted(distinct, cuts, side="right") - 1]
    return Numbers(tuple(float(edge) for edge in np.unique(edges)))


def categories(reference: Iterable[object]) -> Categories:
    """Set a bin for each of the most frequent values of the reference."""
    counted = Counter(str(value) for value in reference if value is not None and value != "")
    frequent = sorted(counted.items(), key=lambda one: (-one[1], one[0]))[: BINS - 1]
    return Categories(tuple(name for name, _ in frequent))

"""Has a column changed? The population stability index, against what the reference itself does from week to week.

Pure. The rows of one block (for flights: one day, one weather) are not independent, and a week is never like two
months. So the index of the window is compared with that of every run of as many blocks within the reference: what
those reach is not drift.

Source: Siddiqi, Credit Risk Scorecards (2006), ch. 11, for the index and its 0.1 and 0.25; Yurdakul & Naranjo,
Statistical properties of the population stability index, Journal of Risk Model Validation 14 (2020), for what it is by
chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitoring.bins import Counts

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class JudgedColumn:
    """One column: its index, the limit, the largest index within the reference, shares missing from 0 to 1."""

    name: str
    index: float
    limit: float
    within: float
    missing_before: float
    missing_now: float

    @property
    def drifted(self) -> bool:
        """Say whether the index is over the limit."""
        return self.index > self.limit


def stability_index(expected: Counts, found: Counts) -> Floats:
    """Return the index of each row of `found`, shaped `(…, n_bins)`, against `expected`, `(n_bins,)`.

    Half a row is added to each bin, so that an empty one is not an infinite surprise.
    """
    e = (expected + 0.5) / (expected.sum() + 0.5 * expected.size)
    f = (found + 0.5) / (found.sum(axis=-1, keepdims=True) + 0.5 * expected.size)
    return np.asarray(((f - e) * np.log(f / e)).sum(axis=-1), dtype=np.float64)


def runs(by_block: Counts, length: int) -> Counts:
    """Count every run of `length` neighbouring blocks: `(n_blocks, n_bins)` to `(n_blocks - length + 1, n_bins)`."""
    summed = np.vstack([np.zeros((1, by_block.shape[1]), dtype=np.int64), by_block.cumsum(axis=0)])
    return np.asarray(summed[length:] - summed[:-length], dtype=np.int64)


def judge(name: str, by_block: Counts, found: Counts, blocks: int, threshold: float) -> JudgedColumn:
    """Judge one column.

    `by_block` counts the reference, `(n_blocks, n_bins)` in the order of time; `found` counts the window,
    `(n_bins,)`, which is as long as `blocks` of them. `threshold` is the least index that can be drift.
    """
    expected = by_block.sum(axis=0)
    length = max(1, min(blocks, len(by_block) // 3))
    within = float(stability_index(expected, runs(by_block, length)).max())
    chance = (len(expected) - 1) * (1 / found.sum() + 1 / expected.sum())
    return JudgedColumn(
        name=name,
        index=float(stability_index(expected, found)),
        limit=max(threshold, within) + float(chance),
        within=within,
        missing_before=float(expected[-1] / expected.sum()),
        missing_now=float(found[-1] / found.sum()),
    )

"""How much one model's ROC AUC differs from another's, on every draw of blocks, with its standard error.

ROC AUC is a share of (positive, negative) pairs that are in order. Few blocks: the pairs are counted once by (block
of the positive, block of the negative), and every draw is a small matrix product. Many blocks: every draw walks the
rows in order of their probability. Both sum whole and half pairs, which float64 holds exactly, so they agree to the
last bit; memory is bounded by chunks of draws.

Source: Obuchowski, Nonparametric analysis of clustered ROC curve data (1997).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slipway.scores import Floats, Integers, Resamples

Labels = npt.NDArray[np.integer]
CELLS = 1 << 20  # of one array of a chunk: 8 MiB
# Past it the matrix of pairs takes more than 32 MiB.
MOST_BLOCKS = 2048
# How many cells of the matrix cost as much as one row of a walk, measured on two cores.
CELLS_A_ROW = 320


def difference(label: Labels, challenger: Floats, champion: Floats, drawn: Resamples) -> tuple[Floats, Floats]:
    """Return the difference of the areas and its standard error, on every draw: `(1 + resamples,)` each."""
    positive = np.asarray(label) == 1
    hits, misses = count(drawn.index[positive], drawn.blocks), count(drawn.index[~positive], drawn.blocks)
    all_hits, all_misses = drawn.draws @ hits, drawn.draws @ misses
    pairs = all_hits * all_misses
    few = drawn.blocks <= MOST_BLOCKS and drawn.blocks**2 <= CELLS_A_ROW * len(positive)
    parts = _by_matrix if few else _by_walk
    value, error = np.empty(len(drawn.draws)), np.empty(len(drawn.draws))
    for part, won, influence in parts(positive, challenger, champion, drawn):
        value[part] = won / pairs[part]
        expected = np.outer(value[part] * all_misses[part], hits) + np.outer(value[part] * all_hits[part], misses)
        influence -= expected
        influence /= pairs[part, None]
        error[part] = standard_error(drawn.draws[part], influence)
    return value, error


def ordered_pairs(label: Labels | npt.NDArray[np.bool_], probability: Floats, index: Integers, blocks: int) -> Floats:
    """Count pairs in order, ties half: `[a, b]` has the positive in block a, the negative in b."""
    positive = np.asarray(label) == 1
    order = np.argsort(probability[positive])  # sorted queries keep the searches in cache
    hits, hit_block = probability[positive][order], index[positive][order]
    pairs = np.empty((blocks, blocks))
    for block in range(blocks):
        misses = np.sort(probability[~positive & (index == block)])
        below = np.searchsorted(misses, hits, side="left")
        up_to = np.searchsorted(misses, hits, side="right")
        pairs[:, block] = np.bincount(hit_block, weights=(below + up_to) / 2, minlength=blocks)
    return pairs


def chunks(draws: int, width: int) -> Iterator[slice]:
    """Cut the draws so that an array of `width` columns for one chunk stays within `CELLS`."""
    size = max(CELLS // max(width, 1), 1)
    for start in range(0, draws, size):
        yield slice(start, min(start + size, draws))


def standard_error(draws: Floats, influence: Floats) -> Floats:
    """Return the root of the weighted sum of squared influences of the blocks, for each draw; overwrites them."""
    np.square(influence, out=influence)
    return np.asarray(np.sqrt(np.einsum("rb,rb->r", draws, influence)))


def count(index: Integers, blocks: int) -> Floats:
    """Count the rows of each block."""
    return np.bincount(index, minlength=blocks).astype(np.float64)


Credits = Iterator[tuple[slice, Floats, Floats]]
"""For a chunk of draws: the pairs won, `(draws,)`, and those that each block has a part in, `(draws, blocks)`."""


def _by_matrix(positive: npt.NDArray[np.bool_], challenger: Floats, champion: Floats, drawn: Resamples) -> Credits:
    won = ordered_pairs(positive, challenger, drawn.index, drawn.blocks)
    won -= ordered_pairs(positive, champion, drawn.index, drawn.blocks)
    for part in chunks(len(drawn.draws), drawn.blocks):
        draws = drawn.draws[part]
        by_hit = draws @ won.T
        total = np.einsum("rb,rb->r", draws, by_hit)
        by_hit += draws @ won
        yield part, total, by_hit


@dataclass(frozen=True)
class _Ranking:
    """One model's order of the rows, and for each row where its ties begin and end in it."""

    order: Integers
    begin: Integers
    end: Integers

    @classmethod
    def of(cls, probability: Floats) -> _Ranking:
        order = np.argsort(probability, kind="stable")
        ranked = probability[order]
        return cls(order, np.searchsorted(ranked, probability, "left"), np.searchsorted(ranked, probability, "right"))

    def below(self, weights: Floats) -> Floats:
        """Sum the weights of the rows below each row, ties half: `(draws, n_rows)` both ways."""
        summed = np.zeros((len(weights), weights.shape[1] + 1))
        np.cumsum(weights[:, self.order], axis=1, out=summed[:, 1:])
        found = summed[:, self.begin]
        found += summed[:, self.end]
        found /= 2
        return found


def _by_walk(positive: npt.NDArray[np.bool_], challenger: Floats, champion: Floats, drawn: Resamples) -> Credits:
    # Rows of a block side by side, so that a block's sum is one of neighbours.
    rows = np.argsort(drawn.index, kind="stable")
    block, hit = drawn.index[rows], positive[rows].astype(np.float64)
    first = np.searchsorted(block, np.arange(drawn.blocks))
    rankings = [(sign, _Ranking.of(np.asarray(p)[rows])) for sign, p in ((1.0, challenger), (-1.0, champion))]
    for part in chunks(len(drawn.draws), len(rows)):
        weight = drawn.draws[part][:, block]
        hits, misses = weight * hit, weight * (1 - hit)
        won = np.zeros(weight.shape)
        for sign, ranking in rankings:
            # A positive wins against the negatives below it, a negative loses to the positives above it.
            won += sign * hit * ranking.below(misses)
            won -= sign * (1 - hit) * ranking.below(hits)
        yield part, np.einsum("rn,rn->r", hits, won), np.add.reduceat(won, first, axis=1)

"""Is the challenger at most a margin worse than the champion? Paired, block-resampled, one-sided.

Both models score the same rows and both are recomputed on the same draws of
blocks, so what the two have in common (an easy day, a stormy one) cancels.
Refuses to be sure where it cannot be: a draw without both classes counts as
the worst outcome.

ROC AUC is a share of (positive, negative) pairs that are in order. Counting
the pairs once by (block of the positive, block of the negative) makes every
draw a small matrix product: no draw ever touches the rows again.

Sources: Hesterberg, What Teachers Should Know About the Bootstrap (2015),
https://arxiv.org/abs/1411.5279, section 5 (expanded percentile interval);
Obuchowski, Nonparametric analysis of clustered ROC curve data (1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from slipway.scores import Floats, Integers, Resamples, log_losses

Labels = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Advantage:
    """How much better the challenger is, negative when worse; `low` is a one-sided bound."""

    value: float
    low: float


def advantages(
    label: Labels, challenger: Floats, champion: Floats, drawn: Resamples, confidence: float
) -> dict[str, Advantage]:
    """Compare two sets of probabilities, `(n_rows,)` each, on the same rows.

    `low` is not above the true advantage with at least the probability `confidence`.
    """
    losses = log_losses(np.asarray(label, np.float64), champion)
    losses = losses - log_losses(np.asarray(label, np.float64), challenger)
    areas = roc_auc(label, challenger, drawn) - roc_auc(label, champion, drawn)
    return {
        "log_loss": _bounded(_mean(losses, drawn), drawn.blocks, confidence),
        "roc_auc": _bounded(areas, drawn.blocks, confidence),
    }


def roc_auc(label: Labels, probability: Floats, drawn: Resamples) -> Floats:
    """Return the area under the ROC curve on every draw, `(1 + resamples,)`; NaN with one class.

    Ties count half. Time is blocks * positives * log(rows / blocks); memory is a column a block.
    """
    positive = np.asarray(label) == 1
    order = np.argsort(probability[positive])  # sorted queries keep the searches in cache
    hits, hit_block = probability[positive][order], drawn.index[positive][order]
    wins = np.zeros(len(drawn.draws))
    for block in range(drawn.blocks):
        misses = np.sort(probability[~positive & (drawn.index == block)])
        below = np.searchsorted(misses, hits, side="left")
        up_to = np.searchsorted(misses, hits, side="right")
        pairs = np.bincount(hit_block, weights=(below + up_to) / 2, minlength=drawn.blocks)
        wins += (drawn.draws @ pairs) * drawn.draws[:, block]
    positives = drawn.draws @ _count(drawn.index[positive], drawn.blocks)
    negatives = drawn.draws @ _count(drawn.index[~positive], drawn.blocks)
    with np.errstate(invalid="ignore"):
        return np.asarray(wins / (positives * negatives))


def expanded_tail(confidence: float, blocks: int) -> float:
    """Return the bootstrap quantile that gives a one-sided bound at `confidence`.

    With few blocks the plain percentile is too narrow, by the missing degree of
    freedom and by normal instead of t tails; this widens it by both.
    """
    quantile = student_t(1 - confidence, blocks - 1)
    return NormalDist().cdf(math.sqrt(blocks / (blocks - 1)) * quantile)


def student_t(probability: float, freedom: int) -> float:
    """Approximate Student's t quantile; within 0.001 from 9 degrees of freedom on, up to 99 %.

    Source: Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    terms = [
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    ]
    return z + math.fsum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def _bounded(draws: Floats, blocks: int, confidence: float) -> Advantage:
    worst_first = np.sort(np.where(np.isnan(draws[1:]), -np.inf, draws[1:]))
    rank = max(math.floor(expanded_tail(confidence, blocks) * (len(worst_first) + 1)) - 1, 0)
    return Advantage(float(draws[0]), float(worst_first[rank]))


def _mean(values: Floats, drawn: Resamples) -> Floats:
    total = np.bincount(drawn.index, weights=values, minlength=drawn.blocks)
    rows = _count(drawn.index, drawn.blocks)
    return np.asarray(drawn.draws @ total / (drawn.draws @ rows))


def _count(index: Integers, blocks: int) -> Floats:
    return np.bincount(index, minlength=blocks).astype(np.float64)

"""Is the challenger at most a margin worse than the champion? Paired, block-resampled, one-sided.

Both models score the same rows and both are recomputed on the same draws of
blocks, so what the two have in common (an easy day, a stormy one) cancels.
Refuses to be sure where it cannot be: a draw without both classes counts
against the challenger.

Memory is that of the draws, 8 bytes * blocks * resamples, and some chunks of
8 MiB; how ROC AUC is compared is in registry/area.py.

The bound is the more cautious of two, the bootstrap-t and the expanded
percentile: with a few dozen blocks and skewed losses either alone passes a
worse challenger too often (measured in docs/reference/gate.md).

Sources: Efron & Tibshirani, An Introduction to the Bootstrap (1993), ch. 12.5;
Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 5,
https://arxiv.org/abs/1411.5279.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from registry.area import Labels, chunks, count, difference, standard_error
from slipway.scores import Floats, Resamples, log_losses


@dataclass(frozen=True)
class Advantage:
    """How much better the challenger is, negative when worse; `low` is a one-sided bound."""

    value: float
    low: float


def advantages(
    label: Labels, challenger: Floats, champion: Floats, drawn: Resamples, confidence: float
) -> dict[str, Advantage]:
    """Compare two sets of probabilities, `(n_rows,)` each, on the same rows.

    `low` is not above the true advantage with about the probability `confidence`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "log_loss": _bounded(*_loss(label, challenger, champion, drawn), drawn.blocks, confidence),
            "roc_auc": _bounded(*difference(label, challenger, champion, drawn), drawn.blocks, confidence),
        }


def of_means(ours: Floats, theirs: Floats, higher: bool, drawn: Resamples, confidence: float) -> Advantage:
    """Compare two models by a metric that is the mean of one value a row, `(n_rows,)` each.

    `higher` says whether a higher mean is better. A value that is not finite counts against the challenger.
    """
    saved = ours - theirs if higher else theirs - ours
    with np.errstate(divide="ignore", invalid="ignore"):
        return _bounded(*_mean(saved, drawn), drawn.blocks, confidence)


def expanded_tail(confidence: float, blocks: int) -> float:
    """Return the bootstrap quantile that serves as a one-sided bound at `confidence`.

    Draws of few blocks spread too little, by the missing degree of freedom and by normal
    instead of Student's tails; a smaller quantile makes up for both.
    """
    quantile = student_t(1 - confidence, blocks - 1)
    return NormalDist().cdf(math.sqrt(blocks / (blocks - 1)) * quantile)


def student_t(probability: float, freedom: int) -> float:
    """Approximate Student's t quantile; within 0.001 from 9 degrees of freedom on, up to 99.9 %.

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


def _loss(label: Labels, challenger: Floats, champion: Floats, drawn: Resamples) -> tuple[Floats, Floats]:
    """Return the difference of the mean losses and its standard error, on every draw."""
    truth = np.asarray(label, np.float64)
    return _mean(log_losses(truth, champion) - log_losses(truth, challenger), drawn)


def _mean(saved: Floats, drawn: Resamples) -> tuple[Floats, Floats]:
    """Return the mean of what each row saves and its standard error, on every draw."""
    total = np.bincount(drawn.index, weights=saved, minlength=drawn.blocks)
    rows = count(drawn.index, drawn.blocks)
    all_rows = drawn.draws @ rows
    value, error = drawn.draws @ total / all_rows, np.empty(len(drawn.draws))
    for part in chunks(len(drawn.draws), drawn.blocks):
        influence = total - value[part, None] * rows
        influence /= all_rows[part, None]
        error[part] = standard_error(drawn.draws[part], influence)
    return value, error


def _bounded(value: Floats, error: Floats, blocks: int, confidence: float) -> Advantage:
    """Bound the sample's value (draw 0) by the other draws, both ways, and take the lower bound."""
    others = np.sort(np.where(np.isnan(value[1:]), -np.inf, value[1:]))
    rank = max(math.floor(expanded_tail(confidence, blocks) * (len(others) + 1)), 1)
    away = value[1:] - value[0]
    distance = np.where(away == 0, 0.0, away / error[1:])
    distance = np.sort(np.where(np.isnan(distance), np.inf, distance))
    # The absence of errors is not proof: one block of each class has none either.
    reach = distance[-rank] * error[0] if error[0] > 0 else 0.0
    low = min(others[rank - 1], value[0] - reach)
    return Advantage(float(value[0]), float(low))

"""How good probabilities are, and how sure that is: metrics and block bootstrap, numpy alone.

Rows of one block (for flights: one day, one weather) are not independent, so
blocks are drawn again, not rows. Every metric takes all resamples at once.
The rooms that score a model share this module, so that a number means the
same wherever it is printed.

Source: Efron & Tibshirani, An Introduction to the Bootstrap, ch. 8.5 (blocks);
Fawcett, An introduction to ROC analysis (2006), for the area with ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
CALIBRATION_BINS = 10
HIGHER_IS_BETTER = {
    "roc_auc": True,
    "average_precision": True,
    "log_loss": False,
    "brier": False,
    "calibration_error": False,
}


@dataclass(frozen=True)
class Resamples:
    """Draws of blocks: row i belongs to block `index[i]`; `draws[r, b]` says how often draw r took block b.

    Draw 0 is the sample itself, every block once.
    """

    index: Integers
    draws: Floats

    @property
    def blocks(self) -> int:
        """How many blocks there are to draw from."""
        return int(self.draws.shape[1])


def resample(blocks: npt.NDArray[np.generic], resamples: int, seed: int) -> Resamples:
    """Draw `resamples` samples of whole blocks, with replacement, after the sample itself."""
    _, index = np.unique(blocks, return_inverse=True)
    count = int(index.max()) + 1
    random, shares = np.random.default_rng(seed), np.full(count, 1 / count)
    draws = np.ones((1 + resamples, count))
    for number in range(1, 1 + resamples):  # one by one: all at once would be there three times
        draws[number] = random.multinomial(count, shares)
    return Resamples(index.astype(np.int64), draws)


def undrawn(rows: int) -> Resamples:
    """Return the rows as they are, and no draw: a metric's value needs no blocks."""
    return resample(np.zeros(rows, dtype=np.int64), 0, seed=0)


def scores(label: npt.NDArray[np.integer], probability: Floats, drawn: Resamples) -> dict[str, Floats]:
    """Compute every metric on every draw: name to `(1 + resamples,)`; NaN where a draw has one class."""
    actual: Floats = np.asarray(label, dtype=np.float64)
    predicted: Floats = np.asarray(probability, dtype=np.float64)
    roc_auc, average_precision = _ranking(actual, predicted, drawn)
    return {
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "log_loss": mean(log_losses(actual, predicted), drawn),
        "brier": mean((predicted - actual) ** 2, drawn),
        "calibration_error": weighted_gaps(predicted, actual, drawn),
    }


def log_losses(label: Floats, probability: Floats) -> Floats:
    """Return each row's loss in nats; probabilities are kept 1e-7 away from 0 and 1, float32's reach."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return -(label * np.log(p) + (1 - label) * np.log1p(-p))


def interval(draws: Floats, confidence: float) -> dict[str, float]:
    """Give the sample's value (draw 0) with the percentile interval of the others."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(draws[1:], [tail, 1 - tail])
    return {"value": float(draws[0]), "low": float(low), "high": float(high)}


def calibration_bins(probability: Floats, bins: int = CALIBRATION_BINS) -> Integers:
    """Assign each row to one of `bins` bins that hold the same number of rows, by probability."""
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    return np.asarray(np.searchsorted(edges, probability, side="right"), dtype=np.int64)


def _by_block(values: Floats, drawn: Resamples) -> Floats:
    return np.asarray(np.bincount(drawn.index, weights=values, minlength=drawn.blocks), dtype=np.float64)


def mean(values: Floats, drawn: Resamples) -> Floats:
    """Return the mean of one value a row on every draw: `(1 + resamples,)`."""
    rows = drawn.draws @ _by_block(np.ones_like(values), drawn)
    return np.asarray(drawn.draws @ _by_block(values, drawn) / rows)


def weighted_gaps(probability: Floats, label: Floats, drawn: Resamples) -> Floats:
    """Return the calibration error on every draw: the gap of each bin's rate to its mean probability, by its rows."""
    bins = calibration_bins(probability)
    cell = drawn.index * CALIBRATION_BINS + bins
    gaps = np.bincount(cell, weights=probability - label, minlength=drawn.blocks * CALIBRATION_BINS)
    rows = drawn.draws @ _by_block(np.ones_like(label), drawn)
    return np.asarray(np.abs(drawn.draws @ gaps.reshape(drawn.blocks, CALIBRATION_BINS)).sum(axis=1) / rows)


def _ranking(label: Floats, probability: Floats, drawn: Resamples) -> tuple[Floats, Floats]:
    """Walk the rows once from the highest probability down, for both rank metrics; ties move together."""
    order = np.argsort(-probability, kind="stable")
    ranked, block, positive = probability[order], drawn.index[order], label[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    roc_auc = np.full(len(drawn.draws), np.nan)
    average_precision = np.full(len(drawn.draws), np.nan)
    for number, draw in enumerate(drawn.draws):
        weight = draw[block]
        hits = np.cumsum(weight * positive)[last_of_tie]
        misses = np.cumsum(weight)[last_of_tie] - hits
        if hits[-1] > 0 and misses[-1] > 0:
            roc_auc[number] = np.trapezoid(hits, misses) + hits[0] * misses[0] / 2
            roc_auc[number] /= hits[-1] * misses[-1]
            precision = hits / np.maximum(hits + misses, 1)
            average_precision[number] = np.sum(np.diff(hits, prepend=0) * precision) / hits[-1]
    return roc_auc, average_precision

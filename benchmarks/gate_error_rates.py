"""How often does the gate err? Simulates judgements whose truth is known and prints the shares.

    python benchmarks/gate_error_rates.py --trials 2000

A row is a positive with a log odds of its own signal plus its block's luck,
which no model sees. The worse challenger is worse by exactly the margin: its
margin is its true disadvantage, measured once on two million independent rows. Passing it is
the error that `gate.confidence` bounds. `rows` shows what would happen if rows
were drawn again instead of blocks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from registry.noninferiority import Advantage, advantages
from slipway.scores import Floats, resample

METRICS = ("log_loss", "roc_auc")
MARGINS = {"log_loss": 0.002, "roc_auc": 0.005}  # params.yaml of the flights
CONFIDENCE = 0.95
BLUR = 0.15  # what a model gets wrong about a whole block, in log odds
PREVALENCE = -1.7  # log odds: about one in five
ROWS_A_BLOCK = 100
PARTS = 2


@dataclass(frozen=True)
class Sample:
    """Rows with their truth and what each model says."""

    block: npt.NDArray[np.integer]
    label: npt.NDArray[np.integer]
    champion: Floats
    challenger: Floats


@dataclass(frozen=True)
class Model:
    """Log odds as a mix of the row's signal, the block's luck, and its own errors."""

    luck: float = 0.0  # what it sees of the block's luck
    blur: float = BLUR  # error shared by a block
    jitter: float = 0.0  # error of each row

    def answer(self, signal: Floats, luck: Floats, blur: Floats, random: Generator) -> Floats:
        """Return its probabilities, `(n_rows,)`."""
        jitter = random.normal(size=len(signal))
        seen = 0.9 * signal + self.luck * luck + self.blur * blur + self.jitter * jitter
        return _share(PREVALENCE + seen)


CHAMPION = Model()
WORSE = Model(blur=0.3, jitter=0.25)
EQUAL = Model()  # errs as much as the champion, but on other days
BETTER = Model(luck=0.4)


def draw(challenger: Model, blocks: int, random: Generator, rows_a_block: int = ROWS_A_BLOCK) -> Sample:
    """Draw `blocks` blocks of about `rows_a_block` rows each."""
    sizes = np.maximum(random.poisson(rows_a_block, blocks), 1)
    block = np.repeat(np.arange(blocks), sizes)
    luck = random.normal(0, 0.6, blocks)[block]
    ours, theirs = random.normal(size=(2, blocks))[:, block]
    signal = random.normal(size=len(block))
    label = (random.random(len(block)) < _share(PREVALENCE + signal + luck)).astype(np.int64)
    champion = CHAMPION.answer(signal, luck, theirs, random)
    return Sample(block, label, champion, challenger.answer(signal, luck, ours, random))


def compare(sample: Sample, resamples: int, seed: int, by_row: bool = False) -> dict[str, Advantage]:
    """Judge one sample as the gate does, or with rows as the unit."""
    unit = np.arange(len(sample.block)) if by_row else sample.block
    drawn = resample(unit, resamples, seed)
    return advantages(sample.label, sample.challenger, sample.champion, drawn, CONFIDENCE)


def true_margins(seed: int = 7) -> dict[str, float]:
    """Measure how much worse the worse challenger is, on `PARTS` million blocks of one row."""
    found: list[dict[str, Advantage]] = []
    random = np.random.default_rng(seed)
    for _ in range(PARTS):
        whole = draw(WORSE, 1_000_000, random, rows_a_block=0)
        pooled = Sample(whole.block % 2, whole.label, whole.champion, whole.challenger)
        found.append(compare(pooled, 2, 0))
    return {metric: float(-np.mean([part[metric].value for part in found])) for metric in METRICS}


def pass_rates(
    challenger: Model,
    margins: dict[str, float],
    blocks: int,
    trials: int,
    resamples: int = 400,
    seed: int = 11,
) -> dict[str, float]:
    """Return the share of `trials` in which each metric, and all of them, passed."""
    random = np.random.default_rng(seed)
    passed = np.zeros((trials, len(METRICS)), dtype=bool)
    for trial in range(trials):
        found = compare(draw(challenger, blocks, random), resamples, seed + trial)
        passed[trial] = [found[metric].low >= -margins[metric] for metric in METRICS]
    shares = dict(zip(METRICS, passed.mean(axis=0).tolist(), strict=True))
    return shares | {"gate": float(passed.all(axis=1).mean())}


def pass_rate_by_row(margin: float, blocks: int, trials: int, seed: int = 11) -> float:
    """Return how often log loss passes a challenger worse by `margin` when rows are drawn."""
    random = np.random.default_rng(seed)
    samples = (draw(WORSE, blocks, random) for _ in range(trials))
    return float(np.mean([_low_by_row(sample) >= -margin for sample in samples]))


def _low_by_row(sample: Sample) -> float:
    # The mean's normal bound stands in for the row bootstrap: a thousandth of the time.
    p, q = sample.challenger, sample.champion
    gain = np.where(sample.label == 1, np.log(p / q), np.log((1 - p) / (1 - q)))
    return float(gain.mean() - 1.645 * gain.std() / np.sqrt(len(gain)))


def table(trials: int) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    margins = true_margins()
    yield "the worse challenger's true disadvantage: " + ", ".join(
        f"{metric} {margin:.4f}" for metric, margin in margins.items()
    )
    yield ""
    yield "| blocks | challenger | margin | log loss | ROC AUC | both | rows drawn: log loss |"
    yield "|---:|---|---|---:|---:|---:|---:|"
    for blocks in (30, 61, 120):
        for name, challenger, limit in (
            ("worse by the margin", WORSE, margins),
            ("equal", EQUAL, MARGINS),
            ("better", BETTER, MARGINS),
        ):
            rates = pass_rates(challenger, limit, blocks, trials)
            by_row = f"{pass_rate_by_row(limit['log_loss'], blocks, trials):.1%}" if challenger is WORSE else ""
            cells = " | ".join(f"{rates[key]:.1%}" for key in (*METRICS, "gate"))
            kind = "its own" if challenger is WORSE else "params.yaml"
            yield f"| {blocks} | {name} | {kind} | {cells} | {by_row} |"


def timing(rows: int = 55_000, blocks: int = 61, resamples: int = 1000) -> str:
    """Say how long one comparison of the flights' size takes."""
    random = np.random.default_rng(1)
    block = np.sort(random.integers(0, blocks, rows))
    champion = random.beta(2, 8, rows)
    label = (random.random(rows) < champion).astype(np.int64)
    sample = Sample(block, label, champion, np.clip(champion + 0.01, 0, 1))
    started = time.perf_counter()
    compare(sample, resamples, 1)
    seconds = time.perf_counter() - started
    return f"{resamples} draws of {blocks} blocks, {rows:,} rows: {seconds:.2f} s"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    print(timing())
    for line in table(arguments.trials):
        print(line, flush=True)


def _share(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)))


if __name__ == "__main__":
    main()

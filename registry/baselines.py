"""Against the baselines: which must be beaten, or only not be worse than, and by how much.

Pure. What `gate.baselines` does not name gets a default that fits the number of
test rows: few rows cannot prove a small advantage, however good the model is
(docs/adr/0090-the-gate-fits-small-tables.md). An advantage that is not reported fails.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.params import Margins, Standard
from registry.verdict import Rule, at_least, flag

METRICS = ("log_loss", "roc_auc")
# From so many rows on, what anybody could say without a model must be beaten beyond doubt.
ENOUGH_ROWS = 10_000
# Whatever the number of rows: a model this much worse is worse.
WIDEST = Margins(log_loss=0.15, roc_auc=0.1)


@dataclass(frozen=True)
class BaselineAdvantage:
    """The model's advantage over a baseline in one metric, and its lower bound; None is not reported."""

    value: float | None
    low: float | None


@dataclass(frozen=True)
class Baseline:
    """What evaluate reported of one baseline."""

    beaten: bool | None
    advantages: Mapping[str, BaselineAdvantage]


def rules(found: Mapping[str, Baseline], asked: Mapping[str, Standard], rows: int, positives: int) -> Iterable[Rule]:
    """Judge every baseline that was reported, and every one that params.yaml names."""
    if not found:
        yield Rule("baselines", False, "no baseline was judged")
    for name in sorted({*found, *asked}):
        baseline = found.get(name, Baseline(None, {}))
        standard = asked.get(name) or default(name, rows)
        if standard == "beaten":
            yield flag(f"baselines.{name}", baseline.beaten, "the model is better beyond doubt")
            continue
        margins = standard if isinstance(standard, Margins) else fitting(rows, positives)
        yield from _not_worse(name, baseline, margins)
        if standard == "better":
            yield from _better(name, baseline)


def default(name: str, rows: int) -> Standard:
    """Choose what is asked where params.yaml is silent."""
    if name == "climatology":
        return "beaten" if rows >= ENOUGH_ROWS else "better"
    return "not_worse"


def fitting(rows: int, positives: int) -> Margins:
    """Return margins that `rows` test rows can tell from nothing, about two half-widths of the interval."""
    share = positives / rows
    spread = 2 * math.sqrt(share * (1 - share))  # of the label: 1 where both classes are equally frequent
    return Margins(
        log_loss=min(2 * spread / math.sqrt(rows), WIDEST.log_loss),
        roc_auc=min(1 / (spread * math.sqrt(rows)), WIDEST.roc_auc),
    )


def _not_worse(name: str, baseline: Baseline, margins: Margins) -> Iterable[Rule]:
    for metric in METRICS:
        low = baseline.advantages.get(metric, BaselineAdvantage(None, None)).low
        reason = "lower bound of the advantage"
        yield at_least(f"baselines.{name}.{metric}", low, -getattr(margins, metric), reason)


def _better(name: str, baseline: Baseline) -> Iterable[Rule]:
    for metric in METRICS:
        value = baseline.advantages.get(metric, BaselineAdvantage(None, None)).value
        if value is None or not value > 0:
            yield Rule(f"baselines.{name}.better", False, f"{metric} is not better than the baseline's", value, 0.0)
            return
    yield Rule(f"baselines.{name}.better", True, "better in log loss and ROC AUC")

"""Against the baselines: which must be beaten, or only not be worse than, and by how much.

Pure. What `gate.baselines` does not name gets a default that fits the number of
test rows: few rows cannot prove a small advantage, however good the model is
(docs/adr/0090-the-gate-fits-small-tables.md). An advantage that is not reported fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.tasks import Judging, Target
from registry.verdict import Rule, at_least, flag

# From so many rows on, what anybody could say without a model must be beaten beyond doubt.
ENOUGH_ROWS = 10_000
WORDS = {"log_loss": "log loss", "roc_auc": "ROC AUC", "rmse": "RMSE", "mae": "MAE"}


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


def rules(found: Mapping[str, Baseline], asked: Mapping[str, Any], kind: Judging, target: Target) -> Iterable[Rule]:
    """Judge every baseline that was reported, and every one that params.yaml names; `target` is of the test rows."""
    if not found:
        yield Rule("baselines", False, "no baseline was judged")
    for name in sorted({*found, *asked}):
        baseline = found.get(name, Baseline(None, {}))
        standard = asked.get(name) or default(name, kind, len(target))
        if standard == "beaten":
            yield flag(f"baselines.{name}", baseline.beaten, "the model is better beyond doubt")
            continue
        margins = kind.fitting(target) if isinstance(standard, str) else standard
        yield from _not_worse(name, baseline, kind, margins)
        if standard == "better":
            yield from _better(name, baseline, kind)


def default(name: str, kind: Judging, rows: int) -> str:
    """Choose what is asked where params.yaml is silent."""
    if name in kind.SIMPLE:
        return "beaten" if rows >= ENOUGH_ROWS else "better"
    return "not_worse"


def _not_worse(name: str, baseline: Baseline, kind: Judging, margins: Any) -> Iterable[Rule]:
    for metric in kind.METRICS:
        low = baseline.advantages.get(metric, BaselineAdvantage(None, None)).low
        reason = "lower bound of the advantage"
        yield at_least(f"baselines.{name}.{metric}", low, -getattr(margins, metric), reason)


def _better(name: str, baseline: Baseline, kind: Judging) -> Iterable[Rule]:
    for metric in kind.METRICS:
        value = baseline.advantages.get(metric, BaselineAdvantage(None, None)).value
        if value is None or not value > 0:
            yield Rule(f"baselines.{name}.better", False, f"{metric} is not better than the baseline's", value, 0.0)
            return
    yield Rule(
        f"baselines.{name}.better", True, f"better in {' and '.join(WORDS.get(one, one) for one in kind.METRICS)}"
    )

"""What the gates of two and of several classes share: limits of log loss and ROC AUC, and the worst slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from registry.params import Section
from registry.verdict import Rule, at_least


class NonInferiority(Section):
    """How much worse than the champion is still acceptable."""

    log_loss: float = Field(gt=0)
    roc_auc: float = Field(gt=0, lt=0.5)


class Margins(Section):
    """How much worse than a baseline is still acceptable."""

    log_loss: float = Field(ge=0)
    roc_auc: float = Field(ge=0, lt=0.5)


# Whatever the number of rows: a model this much worse is worse.
WIDEST = Margins(log_loss=0.15, roc_auc=0.1)


def worst(name: str, values: Mapping[str, float], gate: Any, left_out: str) -> Rule:
    """The lowest area is the worst."""
    lowest = min(values, key=values.__getitem__)
    return at_least(name, values[lowest], gate.slices.roc_auc, f"worst of {len(values)}: {lowest}{left_out}")

"""Rows that the test set may not have, and the column that makes two answers differ.

A model is asked with each input missing and each category unknown whether or not
the test rows have such: callers will.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from training.parity import gaps
from training.pipeline import CATEGORICAL, NUMERIC

ROWS = 8
# A text that was a missing value once: to every reader it is a category like any other.
TEXTS = ("nan", "None", "NaN", "null", " ")
UNSEEN = "never seen"
# Values of a column that lie nearer to each other than this many steps of float32 are finely spaced.
FINE_STEPS = 1_000
Ask = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Question:
    """A column and what was put in its place."""

    column: str
    value: str


@dataclass(frozen=True)
class AnswerDifference:
    """Where two answers differ most, how much, and what is known of the cause."""

    largest: float
    cause: str
    hint: str | None = None


def questions(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Question]]:
    """Make rows out of a few of `rows`, each with one value replaced; return them with what was asked."""
    taken = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, ROWS).astype(int))]
    asked, words = [], []
    for name in NUMERIC:
        asked.append(taken.assign(**{name: np.float32(np.nan)}))
        words.append(Question(name, "missing"))
    for name in CATEGORICAL:
        unseen = _unseen(set(rows[name].dropna().astype("str")))
        for value, word in [("", "missing"), (unseen, f"`{unseen}`"), *((text, f"`{text}`") for text in TEXTS)]:
            asked.append(taken.assign(**{name: value}))
            words.append(Question(name, word))
    repeated = [word for word in words for _ in range(len(taken))]
    return pd.concat(asked, ignore_index=True), repeated


def asked(rows: pd.DataFrame, graph: Ask, trained: Ask) -> AnswerDifference:
    """Put the questions to both; return the largest difference and the question that made it."""
    made, words = questions(rows)
    ours, theirs = graph(made), trained(made)
    gap = gaps(ours, theirs)
    worst = int(np.argmax(gap))
    if ours.ndim == 2:
        place = int(np.argmax(np.abs(ours[worst] - theirs[worst])))
        ours, theirs = ours[:, place], theirs[:, place]
    word = words[worst]
    cause = f"`{word.column}` {'is' if word.value == 'missing' else '='} {word.value}: "
    return AnswerDifference(
        float(gap[worst]), f"{cause}{theirs[worst]:.4f} by scikit-learn, {ours[worst]:.4f} by the graph"
    )


def cause(rows: pd.DataFrame, graph: Ask, trained: Ask, worst: int, allowed: float) -> AnswerDifference:
    """Find the column of row `worst` without whose value both would agree, and the reason."""
    row = rows.iloc[[worst]]
    largest = float(gaps(graph(row), trained(row))[0])
    for name in NUMERIC + CATEGORICAL:
        usual = row.assign(**{name: _usual(rows[name])})
        if float(gaps(graph(usual), trained(usual))[0]) <= allowed:
            return AnswerDifference(largest, *_reason(name, rows[name], row[name].iloc[0]))
    return AnswerDifference(largest, "no single column explains it: the graph computes in float32")


def _reason(name: str, column: pd.Series[Any], value: Any) -> tuple[str, str | None]:
    if name in CATEGORICAL:
        return f"`{name}` = `{value}` is encoded otherwise", None
    numbers = column.dropna().to_numpy(np.float32)
    step = float(np.spacing(np.abs(numbers).max()))
    spread = float(numbers.std())
    if spread < FINE_STEPS * step:
        return (
            f"`{name}` near {float(value):g} varies by {spread:.3g}, and float32 holds only every {step:.3g} there",
            f"subtract a constant from `{name}` in prepare, so that its values are small",
        )
    return f"`{name}` = {float(value):g} is computed in float32 by the graph", None


def _usual(column: pd.Series[Any]) -> Any:
    if column.name in NUMERIC:
        return np.float32(column.median())
    common = column.mode()
    return common.iloc[0] if len(common) else ""


def _unseen(known: set[str]) -> str:
    unseen = UNSEEN
    while unseen in known:
        unseen += "?"
    return unseen

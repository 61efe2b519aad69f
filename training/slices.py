"""How good the model is in each slice of the rows: a mean hides who it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from training import problem

# A row without a value is a slice like any other: it may be the one that the model fails.
MISSING = "missing"


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the slice of each row as text, a column a dimension."""
    found = problem.slices(rows)
    return pd.DataFrame({str(name): _text(found[name]) for name in found.columns}, index=found.index)


def table(rows: pd.DataFrame, measure: Callable[[np.ndarray], dict[str, Any]]) -> list[dict[str, Any]]:
    """Measure every slice; `measure` takes which rows are in it, `(n_rows,) bool`."""
    measured = []
    for dimension, names in named(rows).items():
        for name in sorted(names.unique()):
            chosen = (names == name).to_numpy()
            measured.append({"dimension": dimension, "slice": name, **measure(chosen)})
    return measured


def _text(values: pd.Series[Any]) -> pd.Series[str]:
    missing = values.isna().to_numpy()
    return pd.Series(np.where(missing, MISSING, values.astype(object).map(str)), index=values.index, dtype="str")

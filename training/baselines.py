"""What a model must beat to be worth its keep: two answers anybody could give without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training import pipeline
from training.layout import LABEL
from training.params import Train

# Rows of the overall rate added to every cell, so that a cell of three flights says little.
PRIOR_ROWS = 20
LOGISTIC = Train(
    estimator="LogisticRegression",
    seed=0,
    threads=1,
    hyperparameters={"LogisticRegression": {"max_iter": 300}},
)


def climatology(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Give each flight its carrier's past rate at that hour, `(n_test,) float64`."""
    overall = train[LABEL].mean()
    cells = train.groupby(_cell(train))[LABEL].agg(["sum", "size"])
    rate = (cells["sum"] + PRIOR_ROWS * overall) / (cells["size"] + PRIOR_ROWS)
    return _cell(test).map(rate).fillna(overall).to_numpy(np.float64)


def logistic_regression(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Fit a plain logistic regression on the same features, `(n_test,) float64`."""
    model = pipeline.build(LOGISTIC).fit(pipeline.frame(train), train[LABEL].to_numpy())
    return pipeline.positive(model, test)


def _cell(rows: pd.DataFrame) -> pd.Series[str]:
    hour = (rows["departure_minute"] // 60).astype(int).astype(str)
    return rows["carrier"].astype(str) + " " + hour

"""What a model must beat to be worth its keep: two answers anybody could give without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training import pipeline, problem
from training.layout import LABEL
from training.params import Train

# Rows of the overall rate added to every cell, so that a cell of three rows counts for little.
PRIOR_ROWS = 20
LOGISTIC = Train(
    estimator="LogisticRegression",
    seed=0,
    threads=1,
    hyperparameters={"LogisticRegression": {"max_iter": 300}},
)


def climatology(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Give each row the past rate of its cell, `(n_test,) float64`."""
    overall = train[LABEL].mean()
    cells = train.groupby(problem.cell(train))[LABEL].agg(["sum", "size"])
    rate = (cells["sum"] + PRIOR_ROWS * overall) / (cells["size"] + PRIOR_ROWS)
    return problem.cell(test).map(rate).fillna(overall).to_numpy(np.float64)


def logistic_regression(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Fit a plain logistic regression on the same features, `(n_test,) float64`."""
    model = pipeline.fit(pipeline.build(LOGISTIC), train, train[LABEL].to_numpy())
    return pipeline.positive(model, test)

"""What a model must beat to be worth its keep: answers that anybody could give without it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from training import pipeline, problem
from training.estimators import REGRESSORS
from training.layout import LABEL
from training.params import Train

# Rows of the overall rate added to every cell, so that a cell of three rows says little.
PRIOR_ROWS = 20
LOGISTIC = Train(
    estimator="LogisticRegression",
    seed=0,
    threads=1,
    hyperparameters={"LogisticRegression": {"max_iter": 300}},
)
RIDGE = Train(estimator="Ridge", seed=0, threads=1, hyperparameters={"Ridge": {"alpha": 1.0}})


def climatology(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Give each row the past rate of its cell, `(n_test,) float64`."""
    overall = train[LABEL].mean()
    cells = train.groupby(problem.cell(train))[LABEL].agg(["sum", "size"])
    rate = (cells["sum"] + PRIOR_ROWS * overall) / (cells["size"] + PRIOR_ROWS)
    return problem.cell(test).map(rate).fillna(overall).to_numpy(np.float64)


def logistic_regression(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Fit a plain logistic regression on the same features, `(n_test, k) float64`."""
    model = pipeline.fit(pipeline.build(LOGISTIC), train, train[LABEL].to_numpy())
    return np.asarray(model.predict_proba(pipeline.frame(test)))


def rates(train: pd.DataFrame, test: pd.DataFrame, classes: int) -> np.ndarray:
    """Give each row the past rate of every class in its cell, `(n_test, classes) float64`."""
    label = train[LABEL].to_numpy()
    overall = np.bincount(label, minlength=classes) / len(label)
    names, index = np.unique(problem.cell(train).to_numpy(str), return_inverse=True)
    counted = np.zeros((len(names), classes))
    np.add.at(counted, (index, label), 1)
    size = counted.sum(axis=1, keepdims=True)
    by_cell = np.vstack([(counted + PRIOR_ROWS * overall) / (size + PRIOR_ROWS), overall])
    return np.asarray(by_cell[_places(names, problem.cell(test))])


def cell(train: pd.DataFrame, test: pd.DataFrame, statistic: Literal["mean", "median"]) -> np.ndarray:
    """Give each row the past mean or median of its cell, `(n_test,) float64`; an unseen cell that of all rows."""
    label = train[LABEL].astype(np.float64)
    by_cell = label.groupby(problem.cell(train)).agg(statistic)
    return problem.cell(test).map(by_cell).fillna(label.agg(statistic)).to_numpy(np.float64)


def ridge(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Fit a plain ridge regression on the same features, `(n_test,) float64`."""
    model = pipeline.fit(pipeline.build(RIDGE, family=REGRESSORS), train, train[LABEL].to_numpy())
    return np.asarray(model.predict(pipeline.frame(test)), np.float64)


def _places(names: np.ndarray, cells: pd.Series[str]) -> np.ndarray:
    """Return each cell's place among the sorted names, the last place of all where it is not there."""
    known = {name: place for place, name in enumerate(names.tolist())}
    return np.array([known.get(str(one), len(names)) for one in cells.tolist()])

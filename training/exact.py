"""The fitted model as the converter must see it, so that the graph decides every row as scikit-learn does.

skl2onnx 1.20 rounds the thresholds of histogram boosting to the nearest float32
(https://github.com/onnx/sklearn-onnx/issues/1192) and doubles the margin of a linear discriminant of two classes.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

Boosting: TypeAlias = HistGradientBoostingClassifier | HistGradientBoostingRegressor


def form(model: Pipeline) -> Pipeline:
    """Return a Pipeline with the same answers on float32 inputs, in a form that converts without loss."""
    preprocess, estimator = model.named_steps["preprocess"], model.named_steps["estimator"]
    if isinstance(estimator, Boosting):
        return Pipeline([("preprocess", preprocess), ("estimator", _with_float32_thresholds(estimator))])
    if isinstance(estimator, LinearDiscriminantAnalysis) and len(estimator.classes_) == 2:
        return Pipeline([("preprocess", preprocess), ("estimator", _as_logistic(estimator))])
    return model


def float32_below(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the largest float32 that is not above each value: `x <= value` is the same for every float32 `x`."""
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    below = np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
    return np.asarray(below, np.float64)


def _with_float32_thresholds(estimator: Boosting) -> Boosting:
    settled: Any = copy.deepcopy(estimator)
    for iteration in settled._predictors:
        for tree in iteration:
            nodes = tree.nodes.copy()
            inner = nodes["is_leaf"] == 0
            nodes["num_threshold"][inner] = float32_below(nodes["num_threshold"][inner])
            tree.nodes = nodes
    return cast(Boosting, settled)


def _as_logistic(estimator: LinearDiscriminantAnalysis) -> LogisticRegression:
    logistic: Any = LogisticRegression()
    for name in ("coef_", "intercept_", "classes_", "n_features_in_"):
        setattr(logistic, name, getattr(estimator, name))
    return logistic

"""The scikit-learn Pipeline: preprocessing and estimator, chosen by name in params.yaml.

Columns are addressed by position, numeric ones first, so that the ONNX graph
takes one float matrix and one string matrix. Refuses an estimator that does
not exist, gives no probabilities, or does not have the hyperparameters named.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from slipway.errors import BadInput
from training import features
from training.params import Train

NUMERIC = [feature.name for feature in features.NUMERIC]
CATEGORICAL = [feature.name for feature in features.CATEGORICAL]
# Trees split on the order of a code; everything else needs a column a category.
TREE_MODULES = ("sklearn.ensemble", "sklearn.tree")
CLASSIFIER_MODULES = ["ensemble", "linear_model", "tree", "naive_bayes", "neighbors", "neural_network", "svm"]
CLASSIFIER_MODULES += ["discriminant_analysis", "gaussian_process", "semi_supervised", "calibration", "dummy"]


def build(train: Train, overrides: dict[str, Any] | None = None) -> Pipeline:
    """Make the unfitted Pipeline that `train` describes.

    Raises:
        BadInput: no such estimator, no probabilities, or a hyperparameter it does not have.
    """
    estimator_class = _find(train.estimator)
    chosen = train.hyperparameters.get(train.estimator, {}) | (overrides or {})
    _refuse_unknown(train.estimator, chosen, estimator_class().get_params())
    estimator = estimator_class(**chosen)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=train.seed)
    if not hasattr(estimator, "predict_proba"):
        raise BadInput(
            f"train.estimator {train.estimator} gives no probabilities",
            expected="a classifier with predict_proba",
            hint="choose another estimator in params.yaml, or set probability: true if it has that",
        )
    return Pipeline([("preprocess", _preprocess(estimator)), ("estimator", estimator)])


def frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Order the columns as the Pipeline expects them: numeric, then categorical."""
    return rows[NUMERIC + CATEGORICAL]


def positive(model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability of the positive class, `(n_rows,) float64`."""
    return np.asarray(model.predict_proba(frame(rows))[:, 1])


def _preprocess(estimator: BaseEstimator) -> ColumnTransformer:
    numeric, categorical = range(len(NUMERIC)), range(len(NUMERIC), len(NUMERIC) + len(CATEGORICAL))
    on_numbers: Any = SimpleImputer(strategy="median", keep_empty_features=True)
    on_categories: Any = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    if _splits_on_missing(estimator):
        on_numbers = "passthrough"
    elif not type(estimator).__module__.startswith(TREE_MODULES):
        on_numbers = make_pipeline(on_numbers, StandardScaler())
        on_categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    parts = [("numeric", on_numbers, list(numeric)), ("categorical", on_categories, list(categorical))]
    return ColumnTransformer([part for part in parts if part[2]])


def _splits_on_missing(estimator: BaseEstimator) -> bool:
    # Only histogram boosting: other trees accept NaN too, but their ONNX form loses the direction.
    return "hist_gradient_boosting" in type(estimator).__module__


def _find(name: str) -> Any:
    # Not sklearn.utils.all_estimators: it imports all of scikit-learn, and fails when two threads ask at once.
    for module in CLASSIFIER_MODULES:
        found = getattr(importlib.import_module(f"sklearn.{module}"), name, None)
        if isinstance(found, type) and issubclass(found, ClassifierMixin):
            return found
    known = {
        each
        for module in CLASSIFIER_MODULES
        for each, kind in vars(importlib.import_module(f"sklearn.{module}")).items()
        if isinstance(kind, type) and issubclass(kind, ClassifierMixin) and kind is not ClassifierMixin
    }
    raise BadInput(
        f"train.estimator {name} is not a scikit-learn classifier",
        expected=_nearest(name, known),
        found=name,
        hint="correct train.estimator in params.yaml",
    )


def _refuse_unknown(estimator: str, chosen: dict[str, Any], known: dict[str, Any]) -> None:
    for name in chosen:
        if name not in known:
            raise BadInput(
                f"train.hyperparameters.{estimator}.{name} is no hyperparameter of {estimator}",
                expected=_nearest(name, known),
                found=name,
                hint="correct it in params.yaml",
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"{near[0]} (did you mean this?)" if near else "one of " + ", ".join(sorted(known))

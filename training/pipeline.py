"""The scikit-learn Pipeline: preprocessing and estimator, chosen by name in params.yaml.

Columns are addressed by position, numeric ones first, so that the ONNX graph
takes one float matrix and one string matrix. What the Pipeline is trained on is
what every reader sends: float32, and the empty string for a missing string.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.utils import get_tags

from slipway.errors import BadInput
from training import estimators, features
from training.estimators import Family
from training.params import Train

NUMERIC = [feature.name for feature in features.NUMERIC]
CATEGORICAL = [feature.name for feature in features.CATEGORICAL]
# What a missing string is to the graph, to every reader, and so to the encoder (docs/reference/artifact.md).
MISSING = ""
# Trees split on the order of a code; everything else needs a column a category.
TREE_MODULES = ("sklearn.ensemble", "sklearn.tree")
# Others keep what they were fitted on, and the converter cannot write that when it is sparse.
SPARSE_MODULES = ("sklearn.linear_model",)
LARGEST_DENSE_BYTES = 4 << 30


def build(train: Train, overrides: dict[str, Any] | None = None, family: Family = estimators.CLASSIFIERS) -> Pipeline:
    """Make the unfitted Pipeline that `train` describes.

    Raises:
        BadInput: no such estimator, no probabilities, or a hyperparameter it does not have.
    """
    estimator = estimators.make(train, overrides, family)
    return Pipeline([("preprocess", _preprocess(estimator)), ("estimator", estimator)])


def fit(model: Pipeline, rows: pd.DataFrame, label: np.ndarray) -> Pipeline:
    """Fit a Pipeline that `build` made on prepared rows.

    Raises:
        BadInput: a hyperparameter's value is not valid, or a column a category would not fit in memory.
    """
    given = frame(rows)
    _refuse_wide(model, given)
    return estimators.fit(model, given, label)


def frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Order the columns as the Pipeline expects them, numeric then categorical, with the values that the graph sees."""
    columns: dict[str, Any] = {name: rows[name].astype(np.float32) for name in NUMERIC}
    columns |= {name: rows[name].astype("str").fillna(MISSING) for name in CATEGORICAL}
    return pd.DataFrame(columns, index=rows.index)


def positive(model: Pipeline, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability of the positive class, `(n_rows,) float64`."""
    return np.asarray(model.predict_proba(frame(rows))[:, 1])


def _preprocess(estimator: BaseEstimator) -> ColumnTransformer:
    numeric, categorical = range(len(NUMERIC)), range(len(NUMERIC), len(NUMERIC) + len(CATEGORICAL))
    on_numbers: Any = SimpleImputer(strategy="median", keep_empty_features=True)
    on_categories: Any = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    sparse = False
    if _splits_on_missing(estimator):
        on_numbers = "passthrough"
    elif not type(estimator).__module__.startswith(TREE_MODULES):
        sparse = type(estimator).__module__.startswith(SPARSE_MODULES) and get_tags(estimator).input_tags.sparse
        on_numbers = make_pipeline(on_numbers, StandardScaler())
        on_categories = OneHotEncoder(handle_unknown="ignore", sparse_output=sparse, dtype=np.float32)
    parts = [("numeric", on_numbers, list(numeric)), ("categorical", on_categories, list(categorical))]
    # A dense matrix with a column a category grows with rows times categories, a sparse one with the rows.
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=1.0 if sparse else 0.3)


def _refuse_wide(model: Pipeline, rows: pd.DataFrame) -> None:
    encoders = {name: step for name, step, _ in model.named_steps["preprocess"].transformers}
    encoder = encoders.get("categorical")
    if not isinstance(encoder, OneHotEncoder) or encoder.sparse_output:
        return
    widths = rows[CATEGORICAL].nunique()
    needed = 8 * len(rows) * (int(widths.sum()) + len(NUMERIC))
    if needed > LARGEST_DENSE_BYTES:
        raise BadInput(
            f"`{widths.idxmax()}` has too many categories for {type(model.named_steps['estimator']).__name__}",
            expected=f"at most {LARGEST_DENSE_BYTES / 1e9:.1f} GB for a column a category",
            found=f"{widths.max():,} categories in {len(rows):,} rows: {needed / 1e9:.1f} GB",
            hint="group rare categories in prepare, or choose HistGradientBoostingClassifier or LogisticRegression",
        )


def _splits_on_missing(estimator: BaseEstimator) -> bool:
    # Only histogram boosting: other trees accept NaN too, but their ONNX form loses the direction.
    return "hist_gradient_boosting" in type(estimator).__module__

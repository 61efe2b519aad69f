"""The estimator that params.yaml names: found, made with its hyperparameters, fitted.

Refuses what is not a scikit-learn classifier with probabilities, what only wraps other
estimators, and a hyperparameter that does not exist or has a value it cannot have.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError

from slipway.errors import BadInput
from training.params import Train

MODULES = ["ensemble", "linear_model", "tree", "naive_bayes", "neighbors", "neural_network", "svm"]
MODULES += ["discriminant_analysis", "gaussian_process", "semi_supervised", "calibration", "dummy"]
MODULES += ["kernel_ridge", "cross_decomposition", "isotonic", "compose"]


@dataclass(frozen=True)
class Family:
    """A kind of estimators: what scikit-learn calls it, how it answers, and one of it to recommend."""

    noun: str
    mixin: type
    method: str
    answers: str
    usual: str


CLASSIFIERS = Family("classifier", ClassifierMixin, "predict_proba", "probabilities", "HistGradientBoostingClassifier")
REGRESSORS = Family("regressor", RegressorMixin, "predict", "numbers", "HistGradientBoostingRegressor")
# Prefixes of the estimators of libraries that follow scikit-learn's interface without being part of it.
FOREIGN = {"LGBM": "LightGBM", "LightGBM": "LightGBM", "XGB": "XGBoost", "CatBoost": "CatBoost"}
# Parameters that ONNX cannot express, and why; by the values that leave them unused.
WITHOUT_FORM = {
    "categorical_features": (None, "from_dtype"),  # set membership at a node: the converter writes it as a threshold
}


def make(train: Train, overrides: dict[str, Any] | None = None, family: Family = CLASSIFIERS) -> BaseEstimator:
    """Make the unfitted estimator that `train` describes, with the seed where it draws.

    Raises:
        BadInput: no such estimator of this family, no probabilities, or a hyperparameter it does not have.
    """
    estimator_class = _find(train.estimator, family)
    chosen = train.hyperparameters.get(train.estimator, {}) | (overrides or {})
    try:
        known = estimator_class().get_params()
    except TypeError as error:
        raise BadInput(
            f"train.estimator {train.estimator} only combines other estimators",
            expected="an estimator that is complete by itself: params.yaml holds values, not estimators",
            found=str(error),
            hint="choose another estimator in params.yaml",
        ) from error
    _refuse_unknown(train.estimator, chosen, known)
    _refuse_without_form(train.estimator, chosen)
    estimator: BaseEstimator = estimator_class(**chosen)
    if "random_state" in known:
        estimator.set_params(random_state=train.seed)
    if not hasattr(estimator, family.method):
        raise BadInput(
            f"train.estimator {train.estimator} gives no {family.answers}",
            expected=f"a {family.noun} with {family.method}",
            hint="choose another estimator in params.yaml, or set probability: true if it has that",
        )
    return estimator


def fit(model: Pipeline, rows: pd.DataFrame, label: np.ndarray) -> Pipeline:
    """Fit the Pipeline; what scikit-learn refuses is an error that names the hyperparameter.

    Raises:
        BadInput: a hyperparameter's value is not valid, or the rows cannot be fitted.
    """
    name = type(model.named_steps["estimator"]).__name__
    try:
        return _in_double(model.fit(rows, label))
    except InvalidParameterError as error:
        raise _invalid(name, str(error)) from error
    except (ValueError, TypeError, AttributeError, MemoryError) as error:  # scikit-learn has no class of its own
        raise BadInput(
            f"train.estimator {name} cannot be fitted to these rows",
            expected=f"rows and train.hyperparameters.{name} that fit each other",
            found=f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}",
            hint=f"correct train.hyperparameters.{name} in params.yaml, or choose another estimator",
        ) from error


def _in_double(model: Pipeline) -> Pipeline:
    """Let naive Bayes answer in double: it keeps the rows' float32, and squares over small variances lose digits."""
    estimator: Any = model.named_steps["estimator"]
    if isinstance(estimator, GaussianNB):
        for name in ("theta_", "var_", "class_prior_"):
            setattr(estimator, name, getattr(estimator, name).astype(np.float64))
    return model


def _invalid(name: str, message: str) -> BadInput:
    # "The 'C' parameter of LogisticRegression must be a float in the range (0.0, inf]. Got -1 instead."
    parts = re.match(r"The '(\w+)' parameter of (\w+) must be (.*?)\.? Got (.*) instead\.?$", message, re.DOTALL)
    if parts is None:
        return BadInput(
            f"train.hyperparameters.{name} has a value that is not valid",
            found=message.splitlines()[0],
            hint="correct it in params.yaml",
        )
    parameter, _, expected, found = parts.groups()
    hint = f"correct train.hyperparameters.{name}.{parameter} in params.yaml"
    if re.fullmatch(r"'[-+]?\d+e[-+]?\d+'", found):
        hint += f"; YAML reads {found} as text, a number is written 1.0e+3"
    return BadInput(f"train.hyperparameters.{name}.{parameter} is not valid", expected=expected, found=found, hint=hint)


def _find(name: str, family: Family) -> Any:
    # Not sklearn.utils.all_estimators: it imports all of scikit-learn, and fails when two threads ask at once.
    for module in MODULES:
        found = getattr(importlib.import_module(f"sklearn.{module}"), name, None)
        if isinstance(found, type) and issubclass(found, family.mixin):
            return found
    if library := next((FOREIGN[prefix] for prefix in FOREIGN if name.lower().startswith(prefix.lower())), None):
        raise BadInput(
            f"train.estimator {name} is of {library}, not of scikit-learn",
            expected=f"a scikit-learn {family.noun}: the graph, the parity check and model.skops are made from those",
            found=name,
            hint=f"set train.estimator: {family.usual} in params.yaml, which is built the same way",
        )
    known = {
        each
        for module in MODULES
        for each, kind in vars(importlib.import_module(f"sklearn.{module}")).items()
        if isinstance(kind, type) and issubclass(kind, family.mixin) and kind is not family.mixin
    }
    raise BadInput(
        f"train.estimator {name} is not a scikit-learn {family.noun}",
        expected=_nearest(name, known),
        found=name,
        hint="correct train.estimator in params.yaml",
    )


def _refuse_unknown(estimator: str, chosen: dict[str, Any], known: dict[str, Any]) -> None:
    for name in chosen:
        if name not in known:
            raise BadInput(
                f"train.hyperparameters.{estimator}.{name} is not a hyperparameter of {estimator}",
                expected=_nearest(name, known),
                found=name,
                hint="correct it in params.yaml",
            )


def _refuse_without_form(estimator: str, chosen: dict[str, Any]) -> None:
    for name, unused in WITHOUT_FORM.items():
        if name in chosen and chosen[name] not in unused:
            raise BadInput(
                f"train.hyperparameters.{estimator}.{name} has no ONNX form",
                expected="splits by threshold: the converter would write a split by set as one, and answer differently",
                found=str(chosen[name])[:200],
                hint="remove it from params.yaml; columns of type string are encoded without it",
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"{near[0]} (did you mean this?)" if near else "one of " + ", ".join(sorted(known))

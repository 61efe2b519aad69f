"""The list of features (training/features.py), checked before anything is made from it.

What is refused here would otherwise be trained, judged and released, and then be
refused by the server: a type that the API does not know, limits that exclude
everything, two features of one name.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from slipway.errors import BadInput
from training import features

KEYS = {"row_id", "block", "label"}
LARGEST = float(np.finfo(np.float32).max)
# As the server reads strings (serving/input/validation.py, serving/input/faults.py); a test holds them together.
LONGEST_STRING = 128
PRINTABLE = r"^[^\x00-\x1f\x7f\ud800-\udfff]*$"
FILE = "training/features.py"


def refuse_wrong() -> None:
    """Look at every feature.

    Raises:
        BadInput: a name, a type or a limit that no reader of the model could follow.
    """
    seen: set[str] = set()
    for kinds, group, listed in (
        (("integer", "number"), "NUMERIC", features.NUMERIC),
        (("string",), "CATEGORICAL", features.CATEGORICAL),
    ):
        for feature in listed:
            _refuse_name(feature.name, seen)
            seen.add(feature.name)
            _refuse_type(feature, kinds, group)
            _refuse_limits(feature)
    if not seen:
        _refuse("FEATURES is empty", "at least one feature", "none")


def names() -> set[str]:
    """Return the names of all features."""
    return {feature.name for feature in features.FEATURES}


def refuse_nulls(path: Path, table: str, columns: dict[str, dict[str, Any]]) -> None:
    """Compare the contract's `nulls` with what the server will accept.

    Raises:
        BadInput: rows may lack a feature that no request may lack.
    """
    for feature in features.FEATURES:
        if feature.missing == "refuse" and columns.get(feature.name, {}).get("nulls", 0) > 0:
            raise BadInput(
                f"{path}: tables.{table}.columns.{feature.name}.nulls allows what the server refuses",
                expected=f"no nulls, or missing: accept for `{feature.name}` in {FILE}",
                found=f"nulls {columns[feature.name]['nulls']}, missing: refuse",
                hint=f"correct {path} or {FILE}",
            )


def _refuse_name(name: Any, seen: set[str]) -> None:
    if not isinstance(name, str) or not name.strip() or not re.search(PRINTABLE, name):
        _refuse(f"{name!r} is not a valid feature name", "text without control characters", repr(name))
    if name in KEYS:
        _refuse(f"`{name}` cannot be a feature", "a name other than " + ", ".join(sorted(KEYS)), name)
    if name in seen:
        _refuse(f"`{name}` is listed twice", "each feature once", name)


def _refuse_type(feature: Any, kinds: tuple[str, ...], group: str) -> None:
    if feature.type in ("boolean", "bool"):
        _refuse(
            f"`{feature.name}` has type {feature.type}, which is not supported",
            "integer from 0 to 1, or string",
            feature.type,
        )
    if feature.type not in kinds:
        _refuse(f"`{feature.name}` in {group} has type {feature.type!r}", " or ".join(kinds), repr(feature.type))
    if feature.missing not in ("accept", "refuse"):
        _refuse(f"`{feature.name}` has missing {feature.missing!r}", "accept or refuse", repr(feature.missing))


def _refuse_limits(feature: Any) -> None:
    limits = [limit for limit in (feature.minimum, feature.maximum) if limit is not None]
    shown = f"{feature.minimum} to {feature.maximum}"
    if feature.type == "string" and limits:
        _refuse(f"`{feature.name}` is a string with limits", "no minimum and no maximum", shown)
    if any(isinstance(x, bool) or not isinstance(x, int | float) or not math.isfinite(x) for x in limits):
        _refuse(f"`{feature.name}` has limits that are not numbers", "finite numbers, or none", shown)
    if any(abs(limit) > LARGEST for limit in limits):
        _refuse(f"`{feature.name}` has limits beyond float32", f"within {LARGEST:g}", shown)
    if len(limits) == 2 and limits[0] > limits[1]:
        _refuse(f"`{feature.name}` has limits that exclude every value", "minimum not above maximum", shown)
    if feature.type == "integer" and any(limit != int(limit) for limit in limits):
        _refuse(f"`{feature.name}` is an integer with limits that are not whole", "whole limits", shown)


def _refuse(thing: str, expected: str, found: str) -> NoReturn:
    raise BadInput(f"{FILE}: {thing}", expected=expected, found=found, hint=f"correct {FILE}")

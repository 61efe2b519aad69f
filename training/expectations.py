"""The data contract (data/contract.yaml) as Great Expectations suites.

A pure translation: one table of the contract in, a list of expectations out.
Facts about a whole table (rows per month, rows shared by two tables) are
frames of their own, made here, so that they are expectations like any other.
"""

from __future__ import annotations

from typing import Any

import great_expectations.expectations as gxe
import numpy as np
import pandas as pd

from training import declared, features

Table = dict[str, Any]
Expectation = Any


def of_table(table: Table, frames: dict[str, pd.DataFrame], frame: pd.DataFrame) -> list[Expectation]:
    """List what the contract expects of `frame`; `frames` holds the tables that it refers to."""
    wanted = columns(table)
    expected: list[Expectation] = [
        gxe.ExpectTableRowCountToBeBetween(min_value=table["rows"]["min"], max_value=table["rows"]["max"])
    ]
    expected += [gxe.ExpectColumnToExist(column=name) for name in wanted]
    for name in (name for name in wanted if name in frame):
        expected += _of_column(name, wanted[name], frames)
    for key in table.get("unique", []):
        if set(key) <= set(frame):
            expected.append(_unique(key))
    if "label_share" in table and "label" in frame:
        share = table["label_share"]
        expected.append(gxe.ExpectColumnMeanToBeBetween(column="label", min_value=share["min"], max_value=share["max"]))
    return expected


def columns(table: Table) -> dict[str, dict[str, Any]]:
    """Merge a table's own rules with those of the features, if it holds features."""
    own: dict[str, dict[str, Any]] = table["columns"]
    if not table.get("features"):
        return own
    known = {feature.name: _of_feature(feature) for feature in features.FEATURES}
    return {**own, **{name: rules | own.get(name, {}) for name, rules in known.items()}}


def per_month(table: Table, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Expectation]]:
    """Count the rows of each month, and expect every month of the contract with its volume."""
    rules = table["per_month"]
    counts = frame.groupby("month").size()
    counted = pd.DataFrame({"month": counts.index.to_numpy(), "rows": counts.to_numpy()})
    return counted, [
        gxe.ExpectColumnDistinctValuesToEqualSet(column="month", value_set=rules["months"]),
        gxe.ExpectColumnValuesToBeBetween(column="rows", min_value=rules["min"], max_value=rules["max"]),
    ]


def share(table: Table, frame: pd.DataFrame, positive: Any) -> tuple[pd.DataFrame, list[Expectation]]:
    """Mark the rows whose label is the positive class, and expect their share."""
    marked = pd.DataFrame({"positive": (frame["label"] == positive).astype(np.int8)})
    limits = table["label_share"]
    expected = gxe.ExpectColumnMeanToBeBetween(column="positive", min_value=limits["min"], max_value=limits["max"])
    return marked, [expected]


def shared_rows(frame: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, list[Expectation]]:
    """List the keys that stand in both frames, and expect none."""
    both = frame.loc[frame["row_id"].isin(other["row_id"]), ["row_id"]].reset_index(drop=True)
    return both, [gxe.ExpectTableRowCountToEqual(value=0)]


def unreadable(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Expectation]]:
    """List the values that the server would refuse to read whatever their range, and expect none.

    A fraction where the contract has whole numbers; a string too long or with control characters; nothing, or the
    empty string, where a value must be.
    """
    found = [_unread(frame, feature) for feature in features.FEATURES if feature.name in frame]
    return pd.concat(found, ignore_index=True), [gxe.ExpectTableRowCountToEqual(value=0)]


def _unread(frame: pd.DataFrame, feature: features.Feature) -> pd.DataFrame:
    values = frame[feature.name]
    missing = values.isna()
    if feature.type == "string":
        text = values.astype("str").fillna("")
        missing |= text == ""
        good = (text.str.len() <= declared.LONGEST_STRING) & text.str.fullmatch(declared.PRINTABLE.strip("^$"))
        expected = f"at most {declared.LONGEST_STRING} characters, no control character"
    else:
        number = pd.to_numeric(values, errors="coerce").astype(np.float64)
        good = (number == np.floor(number)) if feature.type == "integer" else number.notna()
        expected = "a whole number" if feature.type == "integer" else "a number"
    bad = (~good & ~missing) | (missing & (feature.missing == "refuse"))
    shown = {"row_id": frame["row_id"], "feature": feature.name, "value": values.astype("str"), "expected": expected}
    return pd.DataFrame(shown).loc[bad]


def _of_column(name: str, rules: dict[str, Any], frames: dict[str, pd.DataFrame]) -> list[Expectation]:
    mostly = rules.get("mostly", 1.0)
    notes = {"notes": f"unit: {rules['unit']}"} if rules.get("unit") else {}
    expected: list[Expectation] = [
        gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=round(1 - rules.get("nulls", 0.0), 9), **notes)
    ]
    if "type" in rules:
        expected.append(gxe.ExpectColumnValuesToBeOfType(column=name, type_=rules["type"]))
    if "min" in rules or "max" in rules:
        low, high = _limits(rules)
        expected.append(
            gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high, mostly=mostly, **notes)
        )
    if "in" in rules:
        allowed = _values(rules["in"], frames)
        expected.append(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=allowed, mostly=mostly, **notes))
    return expected


def _limits(rules: dict[str, Any]) -> tuple[Any, Any]:
    """Return the limits as the column holds them: 6.981 in float32 is 6.98099994659, and not below itself."""
    limits = (rules.get("min"), rules.get("max"))
    if rules.get("type") != "float32":
        return limits
    low, high = (None if limit is None else float(np.float32(limit)) for limit in limits)
    return low, high


def _values(reference: str | list[Any], frames: dict[str, pd.DataFrame]) -> list[Any]:
    if isinstance(reference, list):
        return reference
    table, _, column = reference.partition(".")
    return sorted(frames[table][column].dropna().unique())


def _unique(key: list[str]) -> Expectation:
    if len(key) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=key[0])
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=key)


def _of_feature(feature: features.Feature) -> dict[str, Any]:
    if feature.type == "string":
        return {"type": "str"}
    # A feature without a limit still has to be finite.
    low = -declared.LARGEST if feature.minimum is None else feature.minimum
    high = declared.LARGEST if feature.maximum is None else feature.maximum
    return {"type": "float32", "unit": feature.unit, "min": low, "max": high}

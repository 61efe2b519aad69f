"""The contract's rules as Great Expectations, against values at their edges."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from training import features

# Importing the library takes seconds; it warns of its own deprecations and leaves files to the collector.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("default")]


def made(table: dict[str, Any], frame: pd.DataFrame) -> list[Any]:
    from training import expectations

    return expectations.of_table(table, {}, frame)


@pytest.mark.parametrize(("rules", "low", "high"), [({"min": 1}, 1, None), ({"max": 2}, None, 2)])
def test_a_limit_may_stand_alone(rules: dict[str, Any], low: int | None, high: int | None) -> None:
    table = {"rows": {"min": 0, "max": 9}, "columns": {"x": rules}}
    found = made(table, pd.DataFrame({"x": [1]}))
    between = next(e for e in found if type(e).__name__ == "ExpectColumnValuesToBeBetween")
    assert (between.min_value, between.max_value) == (low, high)


@pytest.mark.parametrize("limit", [0.8, 6.981, 0.1, 1e-3, 123456.789])
def test_limits_are_those_of_the_column_s_float32(limit: float) -> None:
    table = {"rows": {"min": 0, "max": 9}, "columns": {"x": {"type": "float32", "min": limit, "max": limit}}}
    found = made(table, pd.DataFrame({"x": np.array([limit], np.float32)}))
    between = next(e for e in found if type(e).__name__ == "ExpectColumnValuesToBeBetween")
    assert between.min_value == between.max_value == float(np.float32(limit))


def test_what_the_server_would_refuse_is_listed() -> None:
    from training import expectations

    kinds: dict[str, Any] = {f.name: "a" if f.type == "string" else 1.0 for f in features.FEATURES}
    rows = pd.DataFrame([{"row_id": f"r{i}"} | kinds for i in range(5)])
    rows.loc[0, "distance"] = 1.5
    rows.loc[1, "carrier"] = "x" * 129
    rows.loc[2, "carrier"] = "a\x00b"
    rows.loc[3, "carrier"] = ""
    rows.loc[4, "temp"] = np.nan
    found, _ = expectations.unreadable(rows)
    assert sorted(zip(found["row_id"], found["feature"], strict=True)) == [
        ("r0", "distance"),
        ("r1", "carrier"),
        ("r2", "carrier"),
        ("r3", "carrier"),
    ]

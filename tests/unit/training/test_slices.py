from typing import Any

import numpy as np
import pandas as pd
import pytest

from slipway.tasks.binary import Binary
from training import baselines, problem, slices
from training.evaluation import binary

ROWS = pd.DataFrame(
    {
        "carrier": ["UA", "UA", "B6", "B6"],
        "origin": ["EWR", "EWR", "JFK", "JFK"],
        "departure_minute": np.array([0, 239, 240, 1439], dtype=np.float32),
        "block": ["2013-09-01", "2013-09-30", "2013-10-01", "2013-10-31"],
        "label": [0, 1, 0, 0],
    }
)


def measured() -> list[dict[str, Any]]:
    label, answers = ROWS["label"].to_numpy(), np.array([0.1, 0.9, 0.2, 0.3])
    return slices.table(ROWS, lambda chosen: binary.measure(Binary(), label[chosen], answers[chosen]))


def test_every_row_stands_in_one_slice_of_each_dimension() -> None:
    named = problem.slices(ROWS)
    assert named["hours"].tolist() == ["00-03", "00-03", "04-07", "20-23"]
    assert named["month"].tolist() == ["2013-09", "2013-09", "2013-10", "2013-10"]
    table = pd.DataFrame(measured())
    assert (table.groupby("dimension")["rows"].sum() == len(ROWS)).all()
    assert table["positives"].sum() == 4


def test_a_slice_of_one_class_has_no_ranking() -> None:
    table = {row["slice"]: row for row in measured()}
    assert table["JFK"]["roc_auc"] is None
    assert table["EWR"]["roc_auc"] == 1.0
    assert table["EWR"]["mean_probability"] == pytest.approx(0.5)


def test_climatology_is_the_past_rate_drawn_towards_the_whole() -> None:
    past = pd.concat([ROWS.iloc[[1]]] * 80 + [ROWS.iloc[[2]]] * 80)
    expected = (80 + baselines.PRIOR_ROWS * 0.5) / (80 + baselines.PRIOR_ROWS)
    now = ROWS.iloc[[1, 2, 3]]
    assert baselines.climatology(past, now) == pytest.approx([expected, 1 - expected, 0.5])

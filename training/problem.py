"""What is predicted: its words, its own parameters, and the groups in which the model is looked at.

With `fetch`, `features` and `prepare`, all that is of these data; every other module works for any table that has a
label, a block and the features (docs/how-to/own-model.md).
"""

from __future__ import annotations

from typing import Self

import pandas as pd
from pydantic import Field, model_validator

from training.sections import Section, Window

ROWS, POSITIVE = "flights", "late"  # for people: so many flights, so many of them late
BLOCKS = "days"
WHY_BLOCKS = "flights of one day share one weather"


class Prepare(Section):
    """How flights become labelled rows."""

    late_from_minutes: int = Field(ge=1, le=600)
    weather_lag_hours: int = Field(ge=1, le=48)
    train: Window
    test: Window

    @model_validator(mode="after")
    def _test_follows_train(self) -> Self:
        if self.test.start <= self.train.end:
            raise ValueError(
                f"the test window starts on {self.test.start}, "
                f"but the train window ends on {self.train.end}: test rows must come later"
            )
        return self


def words(params: Prepare) -> dict[str, dict[str, str]]:
    """Describe the model's output and its target, for schema.json."""
    late = params.late_from_minutes
    return {
        "output": {"description": f"Probability that the flight arrives {late} minutes late or more"},
        "target": {
            "name": "arrives_late",
            "description": f"Arrival {late} minutes after schedule or later; cancelled and diverted flights have none",
        },
    }


def periods(params: Prepare) -> tuple[str, str]:
    """Say which rows are trained on, and which are tested on."""
    train, test = params.train, params.test
    return f"{train.start} to {train.end}", f"{test.start} to {test.end}"


def slices(rows: pd.DataFrame) -> pd.DataFrame:
    """Name the slice of each row, a column a dimension."""
    start = (rows["departure_minute"] // 240 * 4).astype(int)
    return pd.DataFrame(
        {
            "carrier": rows["carrier"].astype(str),
            "origin": rows["origin"].astype(str),
            "hours": start.map("{:02d}".format) + "-" + (start + 3).map("{:02d}".format),
            "month": rows["block"].str.slice(0, 7),
        }
    )


def cell(rows: pd.DataFrame) -> pd.Series[str]:
    """Name the cell whose past rate is the first baseline: what anybody could say without a model."""
    hour = (rows["departure_minute"] // 60).astype(int).astype(str)
    return rows["carrier"].astype(str) + " " + hour

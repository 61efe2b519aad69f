"""The features: what each is, its unit and range, and since when it is known.

The one list from which the prepared columns, the input contract (schema.json)
and the proof that nothing leaks from the future are made. A feature known only
after scheduled departure is refused by `Known` having no word for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np
import pandas as pd


class Known(Enum):
    """Since when a value is known, always before the scheduled hour of departure begins."""

    SCHEDULE = "when the schedule is published, weeks ahead"
    WEATHER = "at the end of an hourly observation that is over when the scheduled hour begins"


@dataclass(frozen=True)
class Feature:
    """One input of the model; `minimum` and `maximum` are inclusive, in `unit`."""

    name: str
    type: Literal["integer", "number", "string"]
    unit: str | None
    description: str
    known: Known
    minimum: float | None = None
    maximum: float | None = None

    @property
    def missing(self) -> Literal["accept", "refuse"]:
        """A sensor may be silent; a schedule may not."""
        return "accept" if self.known is Known.WEATHER else "refuse"


def _schedule(name: str, unit: str | None, text: str, low: float | None = None, high: float | None = None) -> Feature:
    return Feature(name, "string" if low is None else "integer", unit, text, Known.SCHEDULE, low, high)


def _weather(name: str, unit: str, text: str, low: float, high: float) -> Feature:
    return Feature(name, "number", unit, text, Known.WEATHER, low, high)


# Units: https://cran.r-project.org/web/packages/nycflights13/nycflights13.pdf
NUMERIC: tuple[Feature, ...] = (
    _schedule("departure_minute", "minute of the day", "Scheduled departure, local time", 0, 1439),
    _schedule("arrival_minute", "minute of the day", "Scheduled arrival, local time there", 0, 1439),
    _schedule("day_of_week", "day", "Day of departure, Monday is 0", 0, 6),
    _schedule("distance", "mile", "Great-circle distance between the airports", 0, 6000),
    _weather("temp", "degree Fahrenheit", "Air temperature at the origin", -40, 130),
    _weather("dewp", "degree Fahrenheit", "Dew point at the origin", -60, 100),
    _weather("humid", "percent", "Relative humidity at the origin", 0, 100),
    _weather("wind_dir", "degree", "Direction the wind comes from", 0, 360),
    _weather("wind_speed", "mile per hour", "Wind speed at the origin", 0, 150),
    _weather("wind_gust", "mile per hour", "Gust speed at the origin, absent when calm", 0, 200),
    _weather("precip", "inch", "Precipitation in the hour", 0, 10),
    _weather("pressure", "millibar", "Sea-level pressure", 870, 1090),
    _weather("visib", "mile", "Visibility", 0, 10),
)
CATEGORICAL: tuple[Feature, ...] = (
    _schedule("carrier", None, "Carrier, two-character code"),
    _schedule("origin", None, "Airport of departure, FAA code"),
    _schedule("dest", None, "Airport of arrival, FAA code"),
)
FEATURES = NUMERIC + CATEGORICAL
WEATHER = tuple(feature.name for feature in FEATURES if feature.known is Known.WEATHER)

FLIGHT_COLUMNS = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "time_hour"]
FLIGHT_COLUMNS += ["carrier", "flight", "origin", "dest", "distance"]


def observed_hour(time_hour: pd.Series[pd.Timestamp], lag_hours: int) -> pd.Series[pd.Timestamp]:
    """Name the hour whose observation a flight may use.

    An observation named after hour H is complete at H + 1 h. A flight whose
    scheduled hour begins at `time_hour` may use H = `time_hour` - `lag_hours`,
    complete at or before `time_hour` for every lag of one hour or more.
    """
    return time_hour - pd.Timedelta(hours=lag_hours)


def build(flights: pd.DataFrame, weather: pd.DataFrame, lag_hours: int) -> pd.DataFrame:
    """Compute every feature of `flights`, row by row in the same order.

    Reads `FLIGHT_COLUMNS` of the flights and the cleaned `weather` (one row an origin and hour).
    Numeric columns come out as float32 with NaN for missing, others as strings.
    """
    keys = pd.DataFrame(
        {"origin": flights["origin"].to_numpy(), "time_hour": observed_hour(flights["time_hour"], lag_hours).to_numpy()}
    )
    observed = keys.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    columns = {
        "departure_minute": _minute_of_day(flights["sched_dep_time"]),
        "arrival_minute": _minute_of_day(flights["sched_arr_time"]),
        "day_of_week": pd.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week,
        "distance": flights["distance"],
        **{name: observed[name] for name in WEATHER},
    }
    numeric = {f.name: columns[f.name].to_numpy(np.float32) for f in NUMERIC}
    strings = {f.name: flights[f.name].to_numpy() for f in CATEGORICAL}
    return pd.DataFrame({**numeric, **strings})


def clean_weather(weather: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    """Blank impossible observations; return the weather and how many were blanked, by column.

    A sensor's error (a wind of 1,048 miles per hour is in the source) is a missing value, not a number.
    """
    cleaned = weather[["origin", "time_hour", *WEATHER]].copy()
    blanked: dict[str, int] = {}
    for feature in NUMERIC:
        if feature.known is Known.WEATHER:
            values = cleaned[feature.name]
            impossible = (values < feature.minimum) | (values > feature.maximum)
            cleaned[feature.name] = values.mask(impossible)
            blanked |= {feature.name: int(impossible.sum())} if impossible.any() else {}
    return cleaned, blanked


def _minute_of_day(clock: pd.Series[int]) -> pd.Series[int]:
    return (clock // 100 * 60 + clock % 100) % 1440

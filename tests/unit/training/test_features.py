from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training import features
from training.features import FEATURES, FLIGHT_COLUMNS, WEATHER, Known

HOURS = pd.date_range("2013-03-01", periods=72, freq="h", tz="UTC")
# What a flight's record holds that is known only once it has left or landed.
AFTERWARDS = ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum")


def weather(seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    ranges = {f.name: (float(f.minimum or 0), float(f.maximum or 0)) for f in FEATURES if f.name in WEATHER}
    columns = {name: random.uniform(low, high, len(HOURS)) for name, (low, high) in ranges.items()}
    return pd.DataFrame({"origin": "JFK", "time_hour": HOURS, **columns})


def flights(hours: list[int]) -> pd.DataFrame:
    time_hour = HOURS[hours]
    local = time_hour.tz_convert("America/New_York")
    clock = local.hour * 100 + 30
    return pd.DataFrame(
        {
            "year": local.year,
            "month": local.month,
            "day": local.day,
            "sched_dep_time": clock,
            "sched_arr_time": (clock + 200) % 2400,
            "carrier": "UA",
            "flight": 1,
            "origin": "JFK",
            "dest": "BOS",
            "distance": 187,
            "time_hour": time_hour,
        }
    )


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_feature_says_since_when_it_is_known(feature: features.Feature) -> None:
    assert feature.known in {Known.SCHEDULE, Known.WEATHER}
    assert feature.missing == ("accept" if feature.known is Known.WEATHER else "refuse")
    assert feature.type == "string" or (feature.minimum is not None and feature.maximum is not None and feature.unit)


@given(hours=st.lists(st.integers(2, 60), min_size=1, max_size=3), lag=st.integers(1, 2), seed=st.integers(1, 99))
@settings(max_examples=30, deadline=None)
def test_nothing_after_the_scheduled_hour_reaches_a_feature(hours: list[int], lag: int, seed: int) -> None:
    """Rewrite every observation that is not over when the hour begins: each flight's features stay."""
    known, rewritten = weather(), weather(seed)
    for hour in hours:
        flight = flights([hour])
        before = known[known["time_hour"] + pd.Timedelta(hours=1) <= HOURS[hour]]
        after = rewritten[rewritten["time_hour"] + pd.Timedelta(hours=1) > HOURS[hour]]
        told = features.build(flight, pd.concat([before, after]), lag)
        pd.testing.assert_frame_equal(told, features.build(flight, known, lag))


def test_an_observation_that_is_known_does_reach_its_feature() -> None:
    known, changed = weather(), weather()
    changed.loc[changed["time_hour"] == HOURS[9], "temp"] = 77.0
    before, after = (features.build(flights([10]), frame, 1) for frame in (known, changed))
    assert before["temp"][0] != after["temp"][0] == 77.0


def test_no_column_known_afterwards_is_read() -> None:
    assert not set(AFTERWARDS) & set(FLIGHT_COLUMNS)
    assert not set(AFTERWARDS) & {feature.name for feature in FEATURES}


@pytest.mark.parametrize("lag", [1, 2, 48])
def test_the_observation_is_over_when_the_scheduled_hour_begins(lag: int) -> None:
    scheduled = pd.Series(HOURS)
    over = features.observed_hour(scheduled, lag) + pd.Timedelta(hours=1)
    assert (over <= scheduled).all()


def test_a_minute_of_the_day_wraps_at_midnight() -> None:
    clock = pd.DataFrame({"sched_dep_time": [0, 59, 100, 2359, 2400]})
    assert features._minute_of_day(clock["sched_dep_time"]).tolist() == [0, 59, 60, 1439, 0]


def test_an_impossible_observation_becomes_missing_and_is_counted() -> None:
    observed = weather()
    observed.loc[3, "wind_speed"] = 1048.36
    cleaned, blanked = features.clean_weather(observed)
    assert blanked == {"wind_speed": 1}
    assert np.isnan(cleaned["wind_speed"][3])
    assert cleaned["wind_speed"].notna().sum() == len(observed) - 1


def test_two_observations_of_one_hour_are_refused() -> None:
    twice: Any = pd.concat([weather(), weather()])
    with pytest.raises(pd.errors.MergeError):
        features.build(flights([5]), twice, 1)

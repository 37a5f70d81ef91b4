"""Windows: what each of them holds, and which day it counts to."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock
from data.features import public_features
from data.windows import make_windows

DAYS = 11
CLOCK = DayClock(0)
HOURS = pd.date_range("2024-03-01", periods=24 * DAYS, freq="h", tz="UTC")
FIRST = CLOCK.day_of(HOURS[0])
LOAD = np.arange(24 * DAYS)  # a reading says which hour it is of
READINGS = pd.DataFrame({"unique_id": "home", "ds": HOURS, "y": LOAD})
WEATHER = pd.DataFrame(
    {"ds": HOURS, "temperature": 10.0, "temperature_24h": 18 + LOAD / 100, "direct_solar_24h": 0.0}
)
FEATURES = public_features(WEATHER, CLOCK)


@given(st.integers(-11, 11))
def test_a_shifted_window_is_the_week_and_the_day_beside_its_origin(shift: int) -> None:
    windows = make_windows(READINGS, FEATURES, CLOCK, steps=24, shifts=[shift])
    assert len(windows) == DAYS - 7 - (shift != 0)
    assert (windows.shift == shift).all()
    origins = windows.target[:, 0]
    assert (origins % 24 == shift % 24).all()
    np.testing.assert_array_equal(windows.history, origins[:, None] + np.arange(-168, 0))
    np.testing.assert_array_equal(windows.target, origins[:, None] + np.arange(24))
    np.testing.assert_allclose(windows.exogenous[:, :24] * 1200, origins[:, None] + np.arange(-24, 0), rtol=1e-4)


@given(st.integers(-11, 11), st.integers(1, 3))
def test_a_longer_horizon_moves_the_week_and_the_weather_and_not_the_day(shift: int, horizon: int) -> None:
    features = public_features(WEATHER, CLOCK, horizon=horizon)
    windows = make_windows(READINGS, features, CLOCK, steps=24, shifts=[shift])
    assert len(windows) == DAYS - 6 - horizon - (shift != 0)
    starts = windows.target[:, 0]
    origins = starts - 24 * (horizon - 1)
    np.testing.assert_array_equal(windows.target, starts[:, None] + np.arange(24))
    np.testing.assert_array_equal(windows.history, origins[:, None] + np.arange(-168, 0))
    np.testing.assert_allclose(windows.exogenous[:, :24] * 1200, origins[:, None] + np.arange(-24, 0), rtol=1e-4)
    weekday = windows.exogenous[:, 24:31].argmax(axis=1)
    named = FIRST + (starts - shift) // 24
    np.testing.assert_array_equal(weekday, (named + 3) % 7)
    if shift == 0:
        np.testing.assert_array_equal(windows.steps[:, -1, 2] == 1, weekday >= 5)


@pytest.mark.parametrize("horizon", [1, 2, 3])
def test_the_next_day_is_forecast_from_readings_that_end_at_the_origin(horizon: int) -> None:
    features = public_features(WEATHER, CLOCK, horizon=horizon)
    day = FIRST + DAYS - 1 + horizon
    windows = make_windows(READINGS, features, CLOCK, steps=24, days=[day], with_target=False)
    assert windows.day.tolist() == [day] and windows.history[0, -1] == LOAD[-1]


@given(st.integers(0, DAYS), st.integers(0, 11))
def test_no_window_before_a_day_has_an_hour_of_it(end: int, widest: int) -> None:
    windows = make_windows(READINGS, FEATURES, CLOCK, steps=24, shifts=range(-widest, widest + 1))
    chosen = windows.between(0, FIRST + end)
    assert chosen.target.max(initial=0) < max(1, 24 * end)


def test_whole_days_are_counted_and_found_among_the_shifted() -> None:
    plain = make_windows(READINGS, FEATURES, CLOCK, steps=24)
    shifted = make_windows(READINGS, FEATURES, CLOCK, steps=24, shifts=range(-2, 3))
    assert shifted.days == len(plain) == 4
    assert len(shifted) == 4 + 4 * 3
    np.testing.assert_array_equal(shifted.at_day_start().history, plain.history)

"""Windows: what each of them holds, and which day it counts to."""

from __future__ import annotations

import numpy as np
import pandas as pd
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

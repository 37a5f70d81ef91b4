"""A community day has 24 hours, always, and its number says when it starts."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock

hours = st.integers(0, 23)
days = st.integers(-10_000, 60_000)


@given(hours, days, st.integers(0, 24 * 3600 - 1))
def test_every_moment_of_a_day_belongs_to_it(start: int, day: int, second: int) -> None:
    clock = DayClock(start)
    assert clock.day_of(clock.start_of(day) + pd.Timedelta(seconds=second)) == day


@given(hours, days)
def test_days_follow_each_other_without_a_seam(start: int, day: int) -> None:
    clock = DayClock(start)
    assert clock.hours(day)[-1] + pd.Timedelta(hours=1) == clock.start_of(day + 1)
    assert clock.hours_of(clock.hours(day)).tolist() == list(range(24))


@given(hours, st.lists(days, min_size=1, max_size=20))
def test_columns_agree_with_single_values(start: int, numbers: list[int]) -> None:
    clock = DayClock(start)
    starts = clock.starts_of(np.array(numbers, dtype=np.int64))
    assert starts.tolist() == [clock.start_of(day) for day in numbers]
    assert clock.days_of(starts).tolist() == numbers


def test_day_zero_and_the_demo_homes() -> None:
    assert DayClock(0).day_of(datetime.fromisoformat("1970-01-01T00:00Z")) == 0
    assert DayClock(8).day_of(datetime.fromisoformat("1970-01-01T07:59Z")) == -1
    assert DayClock(8).day_of(datetime.fromisoformat("2016-08-01T00:00-08:00")) == 17014


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        DayClock(8).day_of(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="no time zone"):
        DayClock(8).days_of(pd.DatetimeIndex(["2026-01-01"]))


@pytest.mark.parametrize("hour", [-1, 24])
def test_a_day_starts_at_an_hour(hour: int) -> None:
    with pytest.raises(ValueError, match="0 to 23"):
        DayClock(hour)

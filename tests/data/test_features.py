"""Public features by quantity: a forecast of load is told temperatures, one of export how much sunnier it will be."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from data.day import DayClock
from data.features import public_features

CLOCK = DayClock(8)
FIRST = 17_000
HOURS = 24 * 12


def weather(sun: "list[float] | np.ndarray") -> pd.DataFrame:  # type: ignore[type-arg]
    ds = pd.date_range(CLOCK.start_of(FIRST), periods=len(sun), freq="h", unit="ns")
    return pd.DataFrame({"ds": ds, "temperature": 20.0, "temperature_24h": 24.0, "direct_solar_24h": sun})


def ahead(sun: "np.ndarray", day: int) -> "np.ndarray":  # type: ignore[type-arg]
    """What a forecast of export of `day` is told of its 24 hours."""
    _, exogenous = public_features(weather(sun), CLOCK, "export").window(day, 24)
    return exogenous[:24]


def test_the_quantities_differ_in_the_day_ahead_alone() -> None:
    sun = np.linspace(0, 900, HOURS)
    load, export = (public_features(weather(sun), CLOCK, quantity) for quantity in ("load", "export"))
    assert np.array_equal(load.steps, export.steps)
    (_, of_load), (_, of_export) = (features.window(FIRST + 9, 24) for features in (load, export))
    assert np.array_equal(of_load[24:], of_export[24:])
    assert (of_load[:24] == 0.5).all() and not np.array_equal(of_load[:24], of_export[:24])


def test_a_day_like_those_before_is_none_the_sunnier() -> None:
    sun = np.tile(np.r_[np.zeros(8), np.full(8, 700.0), np.zeros(8)], 12)
    assert np.allclose(ahead(sun, FIRST + 10), 0)


def test_a_sunnier_day_is_told_by_the_hour_against_the_week_before() -> None:
    sun = np.full(HOURS, 200.0)
    sun[24 * 9 + 5] = 450.0  # predicted on day 9 for the sixth hour of day 10
    told = ahead(sun, FIRST + 10)
    assert np.allclose(told, 0.5 * (np.arange(24) == 5))
    assert np.allclose(ahead(sun, FIRST + 11)[5], -0.5 / 7)


@given(st.integers(0, HOURS - 1), st.floats(0, 1400))
def test_nothing_is_told_that_was_not_predicted_before_the_day(hour: int, watts: float) -> None:
    sun = np.full(HOURS, 200.0)
    changed = sun.copy()
    changed[hour] = watts
    before = hour < 24 * 10  # the rows of the days before are known at the start of day 10
    assert np.array_equal(ahead(sun, FIRST + 10), ahead(changed, FIRST + 10)) or before


def test_the_first_days_have_fewer_to_compare_with() -> None:
    sun = np.r_[np.full(24, 100.0), np.full(24, 350.0), np.full(HOURS - 48, 100.0)]
    assert np.allclose(ahead(sun, FIRST + 1), 0)
    assert np.allclose(ahead(sun, FIRST + 2), 0.5)
    assert np.allclose(ahead(sun, FIRST + 3), -0.25)

"""The community's calibrated forecast: what it takes out, what it must not see, what its quantiles cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forecasting.calibration import WARM_UP_DAYS, calibrate, quantiles, walk_forward, walk_forward_quantiles
from tests.support.laws import examples

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def days(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Loads around 20 kWh with a daily shape."""
    random = np.random.default_rng(seed)
    shape = 20_000 + 8_000 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    return np.asarray(shape * random.uniform(0.8, 1.2, (count, 1)) + random.normal(0, 500, (count, 24)))


def test_a_forecast_that_is_always_too_low_is_lifted() -> None:
    measured = days(60)
    after = walk_forward(measured * 0.8, measured)[40:]
    assert np.abs(after - measured[40:]).mean() < 0.15 * np.abs(0.2 * measured[40:]).mean()


def test_an_exact_forecast_stays_as_it_is() -> None:
    measured = days(40)
    assert np.allclose(walk_forward(measured, measured)[WARM_UP_DAYS:], measured[WARM_UP_DAYS:])


@examples(15)
@given(day=st.integers(WARM_UP_DAYS + 2, 39), later=st.floats(0, 1e6), horizon=st.integers(1, 3))
def test_no_day_is_calibrated_with_what_came_later(day: int, later: float, horizon: int) -> None:
    opened, measured = days(40), days(40, seed=1)
    before = walk_forward(opened, measured, horizon)[day]
    bands = walk_forward_quantiles(walk_forward(opened, measured, horizon), measured, LEVELS, horizon)[day]
    opened[day + 1 :], measured[day - horizon + 1 :] = later, later
    calibrated = walk_forward(opened, measured, horizon)
    assert not np.isnan(before).any() and np.array_equal(calibrated[day], before)
    assert np.array_equal(walk_forward_quantiles(calibrated, measured, LEVELS, horizon)[day], bands, equal_nan=True)


@given(scale=st.floats(0.01, 1000))
def test_units_do_not_matter(scale: float) -> None:
    opened, measured = days(30), days(29, seed=1)
    assert np.allclose(calibrate(opened * scale, measured * scale), scale * calibrate(opened, measured), rtol=1e-6)


@pytest.mark.parametrize(
    ("opened", "measured", "says"),
    [
        (days(30), days(30), "must be"),
        (days(WARM_UP_DAYS), days(WARM_UP_DAYS - 1), "too few"),
        (np.full((31, 24), np.nan), days(30), "not a number"),
    ],
)
def test_totals_that_cannot_serve_are_refused(
    opened: NDArray[np.float64], measured: NDArray[np.float64], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        calibrate(opened, measured)


def test_quantiles_cover_as_often_as_they_say() -> None:
    measured = days(300)
    forecast = measured + np.random.default_rng(5).normal(0, 1_000, measured.shape)
    bands = walk_forward_quantiles(forecast, measured, LEVELS)[60:]
    below = (measured[60:, None] <= bands).mean(axis=(0, 2))
    assert np.allclose(below, LEVELS, atol=0.02)


@given(seed=st.integers(0, 100))
def test_quantiles_never_cross_and_are_never_negative(seed: int) -> None:
    errors = np.random.default_rng(seed).normal(0, 30_000, (10, 24))
    bands = quantiles(errors, days(1)[0], LEVELS)
    assert (np.diff(bands, axis=0) >= 0).all()
    assert (bands >= 0).all()


@pytest.mark.parametrize("levels", [(0.0, 0.5), (0.9, 0.1)])
def test_levels_out_of_order_or_range_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        quantiles(days(3), days(1)[0], levels)

"""A change for the worse is noticed within days, a single bad day and ordinary months are not."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.drift import drifting_since

HOURS = np.arange(24)
SHAPE = 1000 * (2 + np.sin(HOURS / 24 * 2 * np.pi))
DAYS = 100


def totals(seed: int, days: int = DAYS) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts that miss by about a tenth, of days whose level wanders."""
    draw = np.random.default_rng(seed)
    measured = SHAPE * np.exp(0.3 * np.sin(np.arange(days) / 40))[:, None] * draw.normal(1, 0.08, (days, 24))
    return measured * draw.normal(1, 0.1, (days, 24)), measured


def test_ordinary_months_are_quiet() -> None:
    found = [drifting_since(*totals(seed)) for seed in range(100)]
    assert sum(one is not None for one in found) <= 5


def test_errors_that_stay_larger_are_noticed_with_the_day_they_began() -> None:
    forecast, measured = totals(1)
    forecast[DAYS - 10 :] *= np.where(HOURS % 2, 1.2, 0.8)
    found = drifting_since(forecast, measured)
    assert found is not None and DAYS - 20 < found <= DAYS - 8, "give or take chance before it"


def test_days_that_are_hard_for_every_forecast_are_no_sign() -> None:
    forecast, measured = totals(2)
    odd = np.random.default_rng(9).normal(1, 0.3, (12, 24))
    measured[DAYS - 12 :] *= odd
    assert drifting_since(forecast, measured) is None


def test_one_bad_day_is_forgotten() -> None:
    forecast, measured = totals(3)
    forecast[DAYS - 9] *= 1.6
    assert drifting_since(forecast, measured) is None


def test_what_was_retrained_is_quiet_again() -> None:
    forecast, measured = totals(4)
    forecast[DAYS - 26 : DAYS - 16] *= np.where(HOURS % 2, 1.25, 0.75)
    assert drifting_since(forecast[: DAYS - 16], measured[: DAYS - 16]) is not None
    forecast[DAYS - 16 :] = measured[DAYS - 16 :] * 1.01
    assert drifting_since(forecast, measured) is None


def test_too_few_days_say_nothing_and_odd_shapes_are_refused() -> None:
    assert drifting_since(*totals(5, days=62)) is None
    nothing = np.zeros((DAYS, 24))
    assert drifting_since(nothing, nothing) is None
    with pytest.raises(ValueError, match=r"must be \[D, 24\]"):
        drifting_since(np.zeros((3, 24)), np.zeros((4, 24)))

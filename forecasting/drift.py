"""Whether a model still fits its community: cumulative sums (Page, Biometrika 1954) over the last four weeks.

A sum grows by what a day's value exceeds its usual one by, in deviations (at most three of them), less an
allowance, and never falls below zero: a bad day is forgotten, and many slightly worse days in a row are not. The
value is the logarithm of the forecast's error over that of the naive forecast, the mean of the last seven days:
days that are hard to forecast are hard for both, and a model that no longer fits loses against it. What is usual
are the up to eight weeks before. All of it are public totals. (The shape of the load is followed by no such sum: it
changes with the seasons.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import ForecastError

Array = NDArray[np.float64]
WATCHED_DAYS, USUAL_DAYS, FEWEST_USUAL_DAYS = 28, 56, 28
_ALLOWANCE = 0.5
"""Half of the shift that is to be noticed, in deviations."""
_LIMIT, _MOST_OF_A_DAY = 8.0, 3.0
_LEAST_DEVIATION = 0.05
"""Of logarithms: a community that was forecast alike each day is not out of order by a twentieth more."""
WEEK = 7


def drifting_since(forecast: Array, measured: Array) -> int | None:
    """The position of the day since when the errors are beyond the usual, of the totals of consecutive days, forecast
    and measured, [D, 24] Wh each; None where they are not.

    None also where there are fewer than eight weeks. Raises ForecastError for other shapes.
    """
    if forecast.shape != measured.shape or forecast.ndim != 2:
        raise ForecastError(f"totals must be [D, 24] both, not {forecast.shape} and {measured.shape}")
    if len(measured) < WEEK + FEWEST_USUAL_DAYS + WATCHED_DAYS:
        return None
    naive = np.stack([measured[day - WEEK : day].mean(axis=0) for day in range(WEEK, len(measured))])
    known = measured[WEEK:]
    ours, theirs = (np.abs(one - known).sum(axis=1) + 1.0 for one in (forecast[WEEK:], naive))
    found = _since(np.log(ours / theirs))
    return None if found is None else WEEK + found


def _since(values: Array) -> int | None:
    """Where the sum that has passed the limit, and not come back, began to grow; None where there is none."""
    usual, watched = values[-WATCHED_DAYS - USUAL_DAYS : -WATCHED_DAYS], values[-WATCHED_DAYS:]
    deviation = max(float(usual.std(ddof=1)), _LEAST_DEVIATION)
    total, began, passed = 0.0, 0, False
    for day, value in enumerate((watched - usual.mean()) / deviation):
        if total == 0.0:
            began, passed = day, False
        total = max(0.0, total + min(float(value), _MOST_OF_A_DAY) - _ALLOWANCE)
        passed = passed or total > _LIMIT
    return len(values) - WATCHED_DAYS + began if passed and total > 0.0 else None

"""The community's forecast from public figures: opened totals, calibrated against the totals measured so far.

Homes forecast for themselves, with a loss near the absolute one; such forecasts are medians, and a sum of medians is
too low. The totals of past days, forecast (opened, proven) and measured (the substation's meter), are public, so the
bias is taken out in public: ridge regression of the error on the forecast and on the errors of the days before,
discounted by age. It needs no home's data, and anybody can repeat it. Quantiles are split-conformal (Vovk, Gammerman
and Shafer 2005; for time series Xu and Xie, EnbPI, ICML 2021): the errors that the calibrated forecast has made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forecasting.errors import ForecastError

Array = NDArray[np.float64]
HOURS, WEEK = 24, 7
WARM_UP_DAYS = 21
"""Days of totals before the first calibrated forecast."""
_DISCOUNT = 0.99  # a day's weight against the next one's: half after ten weeks
_RIDGE = 10.0
_ONE = 1  # the column of ones among the inputs


def calibrate(opened: Array, measured: Array) -> Array:
    """The calibrated forecast of the last day of `opened`, float64 [24] Wh.

    Args:
        opened: opened totals of consecutive days (few may be missing), [D + 1, 24] Wh, the day to forecast last.
        measured: measured totals of the same days but the last, [D, 24] Wh, D at least `WARM_UP_DAYS`.

    Raises ValueError for other shapes, too few days, or a value that is not a number.
    """
    days = len(measured)
    if opened.shape != (days + 1, HOURS) or measured.shape != (days, HOURS):
        raise ForecastError(f"totals must be [D + 1, 24] and [D, 24], not {opened.shape} and {measured.shape}")
    if days < WARM_UP_DAYS:
        raise ForecastError(f"{days} days of totals are too few to calibrate on: {WARM_UP_DAYS} at least")
    if not (np.isfinite(opened).all() and np.isfinite(measured).all()):
        raise ForecastError("the totals of every day must be there: one is not a number")
    return _calibrated(opened, measured, _inputs(opened, measured - opened[:-1]))


def _calibrated(opened: Array, measured: Array, inputs: Array) -> Array:
    """`calibrate` on totals already checked and their `_inputs`, which begin at day WEEK."""
    days = len(measured)
    unit = max(float(measured.mean()), 1.0)
    scaled = inputs / np.where(np.arange(inputs.shape[2]) == _ONE, 1.0, unit)
    errors = (measured - opened[:-1])[WEEK:].reshape(-1) / unit
    weights = np.repeat(_DISCOUNT ** (days - 1 - np.arange(WEEK, days)), HOURS)[:, None]
    known = scaled[:-1].reshape(-1, scaled.shape[2])
    gram = (known * weights).T @ known + _RIDGE * np.eye(known.shape[1])
    solution = np.linalg.solve(gram, (known * weights).T @ errors)
    return np.asarray(np.maximum(opened[-1] + unit * (scaled[-1] @ solution), 0.0))


def _inputs(opened: Array, errors: Array) -> Array:
    """[days - WEEK, 24, 6] of the days of `opened` from WEEK on, each from errors before it alone.

    Forecast, one, and the errors of yesterday and of the week, at the hour and of the whole day; Wh.
    """
    rows = []
    for day in range(WEEK, len(opened)):
        yesterday, week = errors[day - 1], errors[day - WEEK : day].mean(axis=0)
        whole = [np.full(HOURS, e.mean()) for e in (yesterday, week)]
        rows.append(np.stack([opened[day], np.ones(HOURS), yesterday, week, *whole], axis=1))
    return np.stack(rows)


def walk_forward(opened: Array, measured: Array, horizon: int = 1) -> Array:
    """Every day calibrated on the days before it alone, the last of them `horizon` days before, [D, 24] Wh; NaN for
    those with fewer than `WARM_UP_DAYS`."""
    out = np.full(opened.shape, np.nan)
    if len(opened) <= WARM_UP_DAYS:
        return out
    if horizon > 1:
        for day in range(WARM_UP_DAYS + horizon - 1, len(opened)):
            known = day - horizon + 1
            out[day] = calibrate(np.vstack([opened[:known], opened[day]]), measured[:known])
        return out
    inputs = _inputs(opened, measured - opened)
    for day in range(WARM_UP_DAYS, len(opened)):
        out[day] = _calibrated(opened[: day + 1], measured[:day], inputs[: day + 1 - WEEK])
    return out


def quantiles(errors: Array, forecast: Array, levels: Sequence[float]) -> Array:
    """Quantiles of the community's load, [L, 24] Wh, never crossing.

    Args:
        errors: measured minus calibrated forecast of past days, [D, 24] Wh; an hour also learns from its neighbours.
        forecast: the day's calibrated forecast, [24] Wh.
        levels: between 0 and 1, ascending.

    Raises ValueError when there is no past day or a level is out of range.
    """
    if len(errors) == 0:
        raise ForecastError("quantiles need the errors of at least one past day")
    if any(not 0 < level < 1 for level in levels) or list(levels) != sorted(levels):
        raise ForecastError("levels must be between 0 and 1, ascending")
    around = np.concatenate([np.roll(errors, shift, axis=1) for shift in (-1, 0, 1)])  # [3 D, 24]
    return np.asarray(np.maximum(forecast + np.quantile(around, np.asarray(levels), axis=0), 0.0))


def walk_forward_quantiles(forecasts: Array, measured: Array, levels: Sequence[float], horizon: int = 1) -> Array:
    """Quantiles of every day from the errors before it, the last of them `horizon` days before, [D, L, 24] Wh; NaN
    while there are fewer than a week's."""
    out = np.full((len(forecasts), len(levels), HOURS), np.nan)
    errors = measured - forecasts
    for day in range(len(forecasts)):
        before = errors[: max(0, day - horizon + 1)]
        past = before[~np.isnan(before).any(axis=1)]
        if len(past) >= WEEK and not np.isnan(forecasts[day]).any():
            out[day] = quantiles(past, forecasts[day], levels)
    return out

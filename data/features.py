"""Public features of hours and days: the calendar and the weather feed, the same for every home, all in [-2, 2].

A forecast of load is told the day's temperatures hour by hour; a forecast of export how much sunnier each hour will
be than it was in the week before, which is what that week's export is to be corrected by. (The sun itself goes with
the seasons: what a model learns of it in winter misleads it in summer.) All else is the same.

At the origin of a forecast the weather up to it is known, and for the day ahead the weather service's 24-hour
predictions, one made in each of the 24 hours before the origin. The origin is the start of the forecast day, or a day
or two earlier where the horizon is longer: the weather is then that of the origin, the calendar the forecast day's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.day import DayClock
from data.errors import TableError
from data.quantity import Quantity

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float32]

STEP_FEATURES = ("sine of hour", "cosine of hour", "weekend ahead", "temperature", "temperature ahead", "sun ahead")
SEASON_FEATURES = 2
DAY_FEATURES = 24 + 7 + SEASON_FEATURES
"""Of a forecast day: 24 predicted temperatures (of export: how much sunnier), the weekday one-hot, and last sine and
cosine of the season."""

_WARM, _WARM_SPAN = 18.0, 12.0  # °C: around the comfort temperature, where heating and cooling meet
_SUN_SPAN = 500.0  # W/m²
_WEEK, _YEAR = 7, 365.25
_THURSDAY = 3  # weekday of 1970-01-01


@dataclass(frozen=True)
class PublicFeatures:
    """Features by hour: `hours` [n] hours since 1970 UTC (contiguous), `steps` [n, 6], `ahead` [n] temperature, or
    how much sunnier; for forecasts from readings that end `horizon` days before the forecast day."""

    first_hour: int
    steps: FloatArray
    ahead: FloatArray
    clock: DayClock
    horizon: int = 1

    def origin_day(self, day: int) -> int:
        """The day at whose start `day` is forecast: it uses the days before that one."""
        return day - self.horizon + 1

    def window(self, day: int, steps: int, shift: int = 0) -> tuple[FloatArray, FloatArray]:
        """Step features [steps, 6] of the hours before the origin of `day`, and day features [33].

        The origin is `shift` hours beside the start of `origin_day`.
        Raises TableError when the weather table does not reach that far.
        """
        origin = self.origin_day(day) * 24 + self.clock.start_hour_utc + shift - self.first_hour
        if origin < max(steps, 24) or origin > len(self.steps):
            before = self.origin_day(day)
            raise TableError(f"the weather table does not cover the {max(steps, 24)} hours before day {before}")
        return self.steps[origin - steps : origin], np.concatenate([self.ahead[origin - 24 : origin], _calendar(day)])


def public_features(
    weather: pd.DataFrame, clock: DayClock, quantity: Quantity = "load", horizon: int = 1
) -> PublicFeatures:
    """Features of a weather table (`data.citylearn.CommunityData.weather`) for forecasts of a quantity, of a
    horizon in days.

    Raises TableError when its hours are not contiguous.
    """
    import pandas as pd

    ds = pd.DatetimeIndex(weather["ds"])
    hours = ds.tz_convert("UTC").as_unit("ns").asi8 // 3_600_000_000_000
    if len(hours) == 0 or not np.array_equal(np.diff(hours), np.ones(len(hours) - 1)):
        raise TableError("the weather table must have one row for every hour, without gaps")
    hour_of_day = clock.hours_of(ds)
    angle = 2 * np.pi * hour_of_day / 24
    day_ahead = clock.days_of(ds) + horizon
    weekend = np.isin((day_ahead + _THURSDAY) % _WEEK, (5, 6))
    now = _scaled_temperature(weather["temperature"])
    ahead = _scaled_temperature(weather["temperature_24h"])
    sun = np.clip(weather["direct_solar_24h"].to_numpy(dtype=np.float64) / _SUN_SPAN, 0, 2)
    columns = [np.sin(angle), np.cos(angle), weekend, now, ahead, sun]
    return PublicFeatures(
        int(hours[0]), np.stack(columns, axis=1).astype(np.float32),
        (ahead if quantity == "load" else _sunnier(sun)).astype(np.float32), clock, horizon,
    )  # fmt: skip


def _scaled_temperature(celsius: pd.Series[float]) -> NDArray[np.float64]:
    values = (celsius.to_numpy(dtype=np.float64) - _WARM) / _WARM_SPAN
    return np.asarray(np.clip(values, -2, 2))


def _sunnier(sun: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sun [n] minus its mean in the same hour of the seven days before, of which there may be fewer at first; 0
    where there is none."""
    before = np.full((_WEEK, len(sun)), np.nan)
    for back in range(1, _WEEK + 1):
        before[back - 1, 24 * back :] = sun[: max(0, len(sun) - 24 * back)]
    known = ~np.isnan(before)
    mean = np.where(known, before, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known.any(axis=0), sun - mean, 0.0)


def _calendar(day: int) -> FloatArray:
    weekday = np.zeros(_WEEK, dtype=np.float32)
    weekday[(day + _THURSDAY) % _WEEK] = 1
    season = 2 * np.pi * (day % _YEAR) / _YEAR
    return np.concatenate([weekday, np.array([np.sin(season), np.cos(season)], dtype=np.float32)])

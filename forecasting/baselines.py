"""Baselines: five naive forecasters, ridge regression pooled over all homes, and ridge for each home.

Each sees only what it is given: the readings and the weather up to the origin (see `forecasting.evaluation`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.quantity import Quantity
from data.windows import Windows, make_windows
from forecasting.errors import ForecastError

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge

Array = NDArray[np.float64]
SCALE_FLOOR_WH = 2048.0
"""Keeps the scale of a home away from zero, as in the model (`forecasting.model`)."""


@dataclass(frozen=True)
class Naive:
    """The mean, or the median, of the same hour on the days `lags` days before; absent hours are left out."""

    name: str
    lags: tuple[int, ...]
    clock: DayClock
    statistic: Literal["mean", "median"] = "mean"

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        """There is nothing to learn."""

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        """Forecast of `day`: rows are homes, columns the hours 0 to 23, Wh; NaN where no lag is there."""
        days = self.clock.days_of(readings["ds"])
        past = readings[np.isin(days, [day - lag for lag in self.lags])]
        hours = pd.Series(self.clock.hours_of(past["ds"]), index=past.index, name="hour")
        table = past["y"].groupby([past["unique_id"], hours]).agg(self.statistic).unstack()
        return table.reindex(columns=range(HOURS_PER_DAY))


def naive_methods(clock: DayClock, horizon: int = 1) -> list[Naive]:
    """Same hour yesterday, same hour last week, mean and median of the last 7 days, mean of the same weekday over 4
    weeks; of a longer horizon, yesterday is the last day with readings."""
    week = tuple(range(horizon, horizon + 7))
    return [
        Naive("yesterday", (horizon,), clock),
        Naive("last_week", (7,), clock),
        Naive("mean_7_days", week, clock),
        Naive("median_7_days", week, clock, "median"),
        Naive("same_weekday_4_weeks", (7, 14, 21, 28), clock),
    ]


@dataclass
class PooledRidge:
    """One ridge regression (Hoerl and Kennard 1970) for all homes: 168 lags and the day's calendar and temperatures
    to 24 hours, in units of each window's own mean load. `alpha` is the best on the demo homes' validation days."""

    clock: DayClock
    alpha: float = 1000.0
    name: str = "ridge_pooled"
    quantity: Quantity = "load"
    horizon: int = 1
    _model: Ridge = field(init=False, repr=False)

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        """Learn from every complete window of `readings`."""
        features = public_features(weather, self.clock, self.quantity, self.horizon)
        self._model = _fit(make_windows(readings, features, self.clock, steps=24), self.alpha)

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        """Forecast of `day` for the homes with a complete week before it: rows are homes, columns hours, Wh."""
        windows = _origin_windows(readings, weather, day, self.clock, self.quantity, self.horizon)
        return _frame(windows, _predict(self._model, windows))


@dataclass
class HomeRidge:
    """A ridge regression for each home, on the inputs of `PooledRidge`: what a home can do alone."""

    clock: DayClock
    alpha: float = 300.0
    name: str = "ridge_per_home"
    horizon: int = 1
    _models: dict[str, Ridge] = field(init=False, repr=False, default_factory=dict)

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        """Learn from each home's complete windows."""
        features = public_features(weather, self.clock, horizon=self.horizon)
        windows = make_windows(readings, features, self.clock, steps=24)
        self._models = {str(home): _fit(windows.of_home(home), self.alpha) for home in np.unique(windows.unique_id)}

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        """Forecast of `day` for the homes learnt and with a complete week before it."""
        windows = _origin_windows(readings, weather, day, self.clock, "load", self.horizon)
        windows = windows.where(np.isin(windows.unique_id, list(self._models)))
        rows = [_predict(self._models[str(home)], windows.of_home(home)) for home in windows.unique_id]
        return _frame(windows, np.concatenate(rows) if rows else np.zeros((0, HOURS_PER_DAY)))


def _origin_windows(
    readings: pd.DataFrame, weather: pd.DataFrame, day: int, clock: DayClock, quantity: Quantity, horizon: int
) -> Windows:
    features = public_features(weather, clock, quantity, horizon)
    return make_windows(readings, features, clock, steps=24, days=[day], with_target=False)


def _scale(windows: Windows) -> Array:
    """Mean hourly load of each window's week, [n, 1] Wh."""
    return np.asarray((SCALE_FLOOR_WH + windows.history.sum(axis=1, keepdims=True)) / windows.history.shape[1])


def _inputs(windows: Windows) -> Array:
    return np.concatenate([windows.history / _scale(windows), windows.exogenous], axis=1)


def _fit(windows: Windows, alpha: float) -> Ridge:
    if len(windows) == 0:
        raise ForecastError("there is no complete window to learn from: a home needs at least eight days of readings")
    from sklearn.linear_model import Ridge  # loaded by the first regression: two seconds of a command's start

    return Ridge(alpha=alpha).fit(_inputs(windows), windows.target / _scale(windows))


def _predict(model: Ridge, windows: Windows) -> Array:
    if len(windows) == 0:
        return np.zeros((0, HOURS_PER_DAY))
    return np.asarray(np.maximum(model.predict(_inputs(windows)) * _scale(windows), 0.0))


def _frame(windows: Windows, values: Array) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.Index(windows.unique_id, name="unique_id"), columns=range(HOURS_PER_DAY))

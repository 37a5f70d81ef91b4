"""Walk-forward evaluation: each day is forecast from what was known at its origin, by construction.

A forecaster never holds the data. It is handed readings and weather that end at the origin (the start of the day, or
a day or two earlier: `horizon`), so it cannot look ahead however it is written. Forecasts become one table,
`unique_id, ds, cutoff, y, <method>...`, which `forecasting.metrics` scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock
from data.features import public_features
from data.quantity import Quantity
from data.windows import Windows, make_windows
from forecasting.errors import ForecastError
from forecasting.metrics import mean_of
from forecasting.shape import OUTPUTS


class Forecaster(Protocol):
    """Anything that forecasts a day of all homes."""

    @property
    def name(self) -> str:
        """The method's name, a column of the table of forecasts."""

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        """Learn from a long table and the weather table of the same period."""

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        """Forecast of `day` from tables that end at its origin: rows are homes, columns hours 0 to 23, Wh.

        A forecaster may give 24 columns more, the means, for the homes' total; else its hours add up to that. A home
        may be left out, or have NaN, where it cannot be forecast.
        """


@dataclass(frozen=True)
class Split:
    """Learn from the days before `train_end`, forecast `test_start` <= day < `test_end`.

    With `refit_days` the forecasters learn again that often, from everything before the day's origin. Of a horizon
    longer than a day they learn from as much less, for the first day to forecast has its origin before it starts.
    """

    train_end: int
    test_start: int
    test_end: int
    refit_days: int | None = None

    def __post_init__(self) -> None:
        if not self.train_end <= self.test_start < self.test_end:
            raise ForecastError(
                f"the test days {self.test_start}..{self.test_end} must come after training and not be empty"
            )
        if self.refit_days is not None and self.refit_days < 1:
            raise ForecastError("refit_days is a number of days, at least 1")

    @classmethod
    def by_share(
        cls,
        readings: pd.DataFrame,
        clock: DayClock,
        train_share: float,
        test_share: float,
        refit_days: int | None = None,
    ) -> "Split":
        """Train on the first share of the table's hours, test on the last, in whole days; validation lies between."""
        first, last = readings["ds"].min(), readings["ds"].max() + pd.Timedelta(hours=1)
        train_end = clock.day_of(first + (last - first) * train_share)
        test_start = clock.day_of(last - (last - first) * test_share - pd.Timedelta(nanoseconds=1)) + 1
        return cls(train_end, test_start, clock.day_of(last), refit_days)


@dataclass(frozen=True)
class WindowForecaster:
    """A model already trained, as a forecaster: `apply` maps windows to float64 [n, 24] Wh, or [n, 48] with
    the means."""

    name: str
    apply: Callable[[Windows], NDArray[np.float64]]
    steps: int
    clock: DayClock
    quantity: Quantity = "load"
    horizon: int = 1

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        """The model stays as it is: it was trained within the split."""

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        """Forecast of `day` for the homes with a complete window."""
        features = public_features(weather, self.clock, self.quantity, self.horizon)
        windows = make_windows(readings, features, self.clock, steps=self.steps, days=[day], with_target=False)
        values = self.apply(windows) if len(windows) else np.zeros((0, OUTPUTS))
        homes = pd.Index(windows.unique_id, name="unique_id")
        return pd.DataFrame(values, index=homes, columns=range(values.shape[1]))


def before(table: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The rows of a readings or weather table whose hour is over by `moment`."""
    return table[table["ds"] < moment].reset_index(drop=True)


def walk_forward(
    forecasters: Sequence[Forecaster],
    readings: pd.DataFrame,
    weather: pd.DataFrame,
    clock: DayClock,
    split: Split,
    horizon: int = 1,
) -> pd.DataFrame:
    """Forecasts of every test day by every forecaster: `unique_id, ds, cutoff, y, <method>...`, float64 Wh; for a
    method that forecasts the mean apart, `<method>/mean`. `horizon`: how many days before the forecast day the last
    reading is.

    `y` and a method are NaN where the reading or the forecast is absent.
    """
    _fit(forecasters, readings, weather, clock, split.train_end - horizon + 1)
    homes = pd.Index(np.unique(readings["unique_id"]), name="unique_id")
    actual = readings.pivot(index="unique_id", columns="ds", values="y").reindex(homes)
    parts = []
    for day in range(split.test_start, split.test_end):
        if split.refit_days is not None and (day - split.test_start) % split.refit_days == 0:
            _fit(forecasters, readings, weather, clock, day - horizon + 1)
        origin = clock.start_of(day - horizon + 1)
        past, sky = before(readings, origin), before(weather, origin)
        columns = {name: v for f in forecasters for name, v in _columns(f.name, f.predict(past, sky, day), homes)}
        parts.append(
            _rows(homes, clock.hours(day), _column(actual.reindex(columns=clock.hours(day)), homes), columns)
        )
    return pd.concat(parts, ignore_index=True)


def _fit(
    forecasters: Sequence[Forecaster], readings: pd.DataFrame, weather: pd.DataFrame, clock: DayClock, day: int
) -> None:
    end = clock.start_of(day)
    for forecaster in forecasters:
        forecaster.fit(before(readings, end), before(weather, end))


def _columns(name: str, table: pd.DataFrame, homes: "pd.Index[str]") -> list[tuple[str, NDArray[np.float64]]]:
    """A forecaster's columns: its hours and, where it gives them, its means."""
    hours = table.iloc[:, :HOURS_PER_DAY]
    found = [(name, _column(hours, homes))]
    if table.shape[1] > HOURS_PER_DAY:
        found.append((mean_of(name), _column(table.iloc[:, HOURS_PER_DAY:], homes)))
    return found


def _column(table: pd.DataFrame, homes: "pd.Index[str]") -> NDArray[np.float64]:
    """A table of homes by hours as one column, home after home."""
    return table.reindex(homes).to_numpy(dtype=np.float64).reshape(-1)


def _rows(
    homes: "pd.Index[str]", hours: pd.DatetimeIndex, y: NDArray[np.float64], columns: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    keys = {
        "unique_id": np.repeat(homes.to_numpy(), HOURS_PER_DAY),
        "ds": hours.append([hours] * (len(homes) - 1)),
        "cutoff": hours[0],
        "y": y,
    }
    return pd.DataFrame(keys | columns)

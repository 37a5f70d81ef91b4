"""Walk-forward: a forecast knows what was known at its origin, and nothing after."""

import numpy as np
import pandas as pd
import pytest

from data.day import DayClock
from data.table import long_table
from data.windows import Windows
from forecasting.baselines import HomeRidge, PooledRidge, naive_methods
from forecasting.evaluation import Forecaster, Split, WindowForecaster, before, walk_forward

CLOCK = DayClock(8)
FIRST = 20_000
DS = pd.date_range(CLOCK.start_of(FIRST), periods=24 * 45, freq="h")
RANDOM = np.random.default_rng(5)
SPLIT = Split(train_end=FIRST + 30, test_start=FIRST + 34, test_end=FIRST + 40)


def readings(y: np.ndarray) -> pd.DataFrame:
    return pd.concat([long_table(home, DS, y[i]) for i, home in enumerate("ab")], ignore_index=True)


Y = RANDOM.integers(50, 3000, (2, len(DS)))
READINGS = readings(Y)
WEATHER = pd.DataFrame({"ds": DS, **{name: RANDOM.uniform(0, 30, len(DS)) for name in
                        ("temperature", "temperature_24h", "direct_solar_24h")}})  # fmt: skip


def last_day(windows: Windows) -> np.ndarray:
    return windows.history[:, -24:].astype(np.float64)


def forecasters(horizon: int = 1) -> list[Forecaster]:
    model = WindowForecaster("model", last_day, 24, CLOCK, horizon=horizon)
    ridges = PooledRidge(CLOCK, horizon=horizon), HomeRidge(CLOCK, horizon=horizon)
    return [*naive_methods(CLOCK, horizon), *ridges, model]


METHODS = [f.name for f in forecasters()]


@pytest.mark.parametrize(
    ("day", "refit_days", "horizon"),
    [(FIRST + 34, None, 1), (FIRST + 37, 2, 1), (FIRST + 34, 2, 2), (FIRST + 37, None, 2)],
)
def test_changing_the_future_changes_no_forecast(day: int, refit_days: int | None, horizon: int) -> None:
    split = Split(SPLIT.train_end, SPLIT.test_start, SPLIT.test_end, refit_days)
    future = CLOCK.start_of(day - horizon + 1)
    other = Y.copy()
    other[:, future <= DS] = 60
    weather = WEATHER.copy()
    weather.loc[weather["ds"] >= future, ["temperature", "temperature_24h", "direct_solar_24h"]] = -40.0
    table = walk_forward(forecasters(horizon), READINGS, WEATHER, CLOCK, split, horizon)
    changed = walk_forward(forecasters(horizon), readings(other), weather, CLOCK, split, horizon)
    known = table["ds"] < CLOCK.start_of(day + 1)
    assert not table.loc[known, METHODS].isna().all(axis=None)
    pd.testing.assert_frame_equal(table.loc[known, METHODS], changed.loc[known, METHODS])
    assert not table.loc[~known, METHODS].equals(changed.loc[~known, METHODS])


class Recorder:
    """Notes how far the tables reach that it is given."""

    name = "recorder"

    def __init__(self) -> None:
        self.fitted: list[tuple[pd.Timestamp, pd.Timestamp]] = []
        self.asked: dict[int, tuple[pd.Timestamp, pd.Timestamp]] = {}

    def fit(self, readings: pd.DataFrame, weather: pd.DataFrame) -> None:
        self.fitted.append((readings["ds"].max(), weather["ds"].max()))

    def predict(self, readings: pd.DataFrame, weather: pd.DataFrame, day: int) -> pd.DataFrame:
        self.asked[day] = (readings["ds"].max(), weather["ds"].max())
        return pd.DataFrame(np.full((1, 24), 7.0), index=["b"], columns=range(24))


def test_what_a_forecaster_is_given_ends_at_the_origin() -> None:
    recorder = Recorder()
    walk_forward([recorder], READINGS, WEATHER, CLOCK, SPLIT)
    hour = pd.Timedelta(hours=1)
    assert recorder.fitted == [(CLOCK.start_of(SPLIT.train_end) - hour,) * 2]
    assert recorder.asked == {
        day: (CLOCK.start_of(day) - hour,) * 2 for day in range(SPLIT.test_start, SPLIT.test_end)
    }


def test_of_a_longer_horizon_it_ends_days_before_the_day() -> None:
    recorder = Recorder()
    walk_forward([recorder], READINGS, WEATHER, CLOCK, Split(FIRST + 34, FIRST + 34, FIRST + 36, 1), horizon=2)
    hour = pd.Timedelta(hours=1)
    ends = {day: (CLOCK.start_of(day - 1) - hour,) * 2 for day in (FIRST + 34, FIRST + 35)}
    assert recorder.asked == ends and recorder.fitted == [ends[FIRST + 34], *ends.values()]


def test_refitting_uses_everything_before_the_origin() -> None:
    recorder = Recorder()
    walk_forward([recorder], READINGS, WEATHER, CLOCK, Split(FIRST + 30, FIRST + 34, FIRST + 40, refit_days=3))
    ends = [CLOCK.day_of(end) + 1 for end, _ in recorder.fitted]
    assert ends == [FIRST + 30, FIRST + 34, FIRST + 37]


def test_the_table_has_a_row_for_each_home_and_hour() -> None:
    table = walk_forward([Recorder()], READINGS, WEATHER, CLOCK, SPLIT)
    assert list(table.columns) == ["unique_id", "ds", "cutoff", "y", "recorder"]
    assert len(table) == 2 * 24 * 6
    merged = table.merge(READINGS, on=["unique_id", "ds"])
    assert (merged["y_x"] == merged["y_y"]).all()
    assert table.loc[table["unique_id"] == "a", "recorder"].isna().all()
    assert (table.loc[table["unique_id"] == "b", "recorder"] == 7).all()
    assert (table["ds"] - table["cutoff"] < pd.Timedelta(days=1)).all()


def test_a_model_over_windows_is_a_forecaster() -> None:
    table = walk_forward(forecasters(), READINGS, WEATHER, CLOCK, SPLIT)
    np.testing.assert_allclose(table["model"], table["yesterday"])


def test_missing_readings_leave_holes_not_zeros() -> None:
    lost = (READINGS["unique_id"] == "a") & (READINGS["ds"] >= CLOCK.start_of(FIRST + 38))
    table = walk_forward(forecasters(), READINGS[~lost], WEATHER, CLOCK, SPLIT)
    after = table[(table["unique_id"] == "a") & (table["cutoff"] > CLOCK.start_of(FIRST + 38))]
    assert after[["y", "yesterday", "ridge_pooled", "model"]].isna().all(axis=None)


def test_shares_give_whole_days_in_order() -> None:
    split = Split.by_share(READINGS, CLOCK, 0.7, 0.2)
    assert (split.train_end, split.test_start, split.test_end) == (FIRST + 31, FIRST + 36, FIRST + 45)


@pytest.mark.parametrize("values", [(10, 9, 12), (5, 9, 9), (5, 9, 12, 0)])
def test_a_split_that_would_look_ahead_is_refused(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"after training|refit_days"):
        Split(*values)


def test_before_keeps_only_hours_that_are_over() -> None:
    assert before(READINGS, DS[10])["ds"].max() == DS[9]

"""The settings say where the data come from, and nothing else is ever used in their place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from data.community import load_community, weather_before
from data.day import DayClock
from data.errors import TableError
from data.features import public_features
from data.settings import DataSettings
from data.table import long_table, write_table
from data.weather.table import COLUMNS
from data.windows import make_windows

DS = pd.date_range("2026-01-05T00:00Z", periods=240, freq="h")


def settings(**values: object) -> DataSettings:
    return DataSettings.model_validate(values)


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{home}.csv" for home in "ab"]
    for path in paths:
        write_table(long_table(path.stem, DS, np.arange(len(DS))), path)
    return paths


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "source"),
        ({"source": "files"}, "at least one path"),
        ({"source": "citylearn", "files": ["a.csv"]}, "set source: files"),
        ({"source": "citylearn", "weather": "w.csv"}, "set source: files"),
        ({"source": "none", "files": ["a.csv"]}, "set source: files"),
        ({"source": "citylearn", "day_start_utc": 24}, "day_start_utc"),
        ({"source": "citylearn", "colour": 1}, "colour"),
    ],
)
def test_settings_that_are_refused(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(**values)


def test_own_tables_are_joined_and_can_be_forecast_without_weather(tables: list[Path]) -> None:
    community = load_community(settings(source="files", files=tables))
    clock = DayClock(0)
    assert community.readings["unique_id"].unique().tolist() == ["a", "b"]
    assert len(make_windows(community.readings, public_features(community.weather, clock), clock, steps=24)) == 6


def test_a_weather_feed_is_read(tables: list[Path], tmp_path: Path) -> None:
    feed = pd.DataFrame({"ds": DS, **{name: np.linspace(0, 20, len(DS)) for name in COLUMNS}})
    feed.to_csv(tmp_path / "weather.csv", index=False)
    community = load_community(settings(source="files", files=tables, weather=tmp_path / "weather.csv"))
    pd.testing.assert_frame_equal(community.weather, feed.assign(ds=feed["ds"].dt.as_unit("ns")))


def test_a_weather_feed_with_a_hole_is_refused(tables: list[Path], tmp_path: Path) -> None:
    feed = pd.DataFrame({"ds": DS, **dict.fromkeys(COLUMNS, 1.0)}).drop(index=range(7, 14))
    feed.to_csv(tmp_path / "weather.csv", index=False)
    with pytest.raises(TableError, match="missing in 7 hours from 2026-01-05T07"):
        load_community(settings(source="files", files=tables, weather=tmp_path / "weather.csv"))
    (tmp_path / "weather.csv").write_text("ds,humidity\n2026-01-05T00:00Z,40\n")
    with pytest.raises(TableError, match="not a weather feed"):
        load_community(settings(source="files", files=tables, weather=tmp_path / "weather.csv"))


def test_a_missing_table_is_an_error_not_the_demo(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="does not exist"):
        load_community(settings(source="files", files=[tmp_path / "gone.csv"]))
    with pytest.raises(TableError, match="weather feed named"):
        write_table(long_table("a", DS, np.arange(len(DS))), tmp_path / "a.csv")
        load_community(settings(source="files", files=[tmp_path / "a.csv"], weather=tmp_path / "gone.csv"))


def test_where_no_readings_are_it_is_said_and_features_are_those_of_the_homes(tables: list[Path]) -> None:
    clock, day = DayClock(0), int(DS[-1].timestamp()) // 86_400 + 1
    with pytest.raises(TableError, match="there are no readings here"):
        load_community(settings(source="none"))
    here = public_features(weather_before(settings(source="none"), clock, day), clock)
    home = public_features(load_community(settings(source="files", files=tables)).weather, clock)
    for mine, theirs in zip(here.window(day, 168), home.window(day, 168), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("day", [0, 6, 80_000, (1 << 32) - 1])
def test_days_beyond_any_calendar_are_refused(day: int) -> None:
    with pytest.raises(TableError, match="outside"):
        weather_before(settings(source="none"), DayClock(0), day)

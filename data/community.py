"""The community's data as its settings say: the demo homes, or the households' own tables and weather feed."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data import citylearn
from data.citylearn import CommunityData
from data.day import DayClock
from data.errors import TableError
from data.settings import DataSettings
from data.table import joined_tables, read_table
from data.weather.table import read_weather

log = logging.getLogger(__name__)

_FIRST_DAY, _LAST_DAY = 7, 80_000  # 1970 to 2189
_NEUTRAL = {"temperature": 18.0, "temperature_24h": 18.0, "direct_solar_24h": 0.0}


def load_community(settings: DataSettings) -> CommunityData:
    """Readings and weather. Raises DataError if they cannot be loaded; never falls back to other data."""
    if settings.source == "citylearn":
        return citylearn.load_with_pv(settings.cache_dir) if settings.pv else citylearn.load(settings.cache_dir)
    if settings.source == "none":
        raise TableError("there are no readings here (data.source is none): run this where the homes' readings are")
    readings = tables_of(settings.files)
    if settings.weather is not None:
        return CommunityData(readings, read_weather(settings.weather))
    log.warning("no weather feed: every hour counts as 18 °C without sun, so forecasts use calendar and load only")
    return CommunityData(readings, neutral_weather(readings["ds"].min(), readings["ds"].max()))


def load_readings(settings: DataSettings) -> pd.DataFrame:
    """The readings alone, for what needs no weather: a gateway has readings before it has fetched a feed.

    Raises DataError.
    """
    return tables_of(settings.files) if settings.source == "files" else load_community(settings).readings


def tables_of(files: Sequence[Path]) -> pd.DataFrame:
    """The tables of hours of all files in one. Raises TableError if two of them disagree about an hour."""
    return joined_tables(files, "data.files", read_table)


def weather_before(settings: DataSettings, clock: DayClock, day: int) -> pd.DataFrame:
    """The weather feed, whole, or neutral weather of the week before `day`: no home's readings are needed for it.

    Raises TableError for a feed that cannot be read, or a day that no calendar has.
    """
    if settings.weather is not None:
        return read_weather(settings.weather)
    if not _FIRST_DAY <= day < _LAST_DAY:
        raise TableError(f"day {day} lies outside of what a weather feed covers")
    return neutral_weather(clock.start_of(day - 7), clock.start_of(day) - pd.Timedelta(hours=1))


def readings_of(readings: pd.DataFrame, home: str) -> pd.DataFrame:
    """One home's rows of a long table. Raises TableError, with the homes there are, if it has none."""
    own = readings[readings["unique_id"] == home].reset_index(drop=True)
    if own.empty:
        known = ", ".join(sorted(str(name) for name in readings["unique_id"].unique()))
        raise TableError(f"there are no readings of {home!r} here, only of: {known}")
    return own


def neutral_weather(first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Weather that says nothing, of the hours that start from `first` to `last`: 18 °C and no sun."""
    ds = pd.date_range(first, last, freq="h", unit="ns")
    return pd.DataFrame({"ds": ds, **_NEUTRAL})

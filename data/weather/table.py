"""A weather table from any CSV with times and temperatures: units checked, short gaps bridged, changes logged.

Columns: `ds` (the start of the hour, UTC), `temperature` (°C), `temperature_24h` (°C, what was predicted in that hour
for 24 hours later), `direct_solar_24h` (W/m², likewise).
"""

import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import TableError

log = logging.getLogger(__name__)

COLUMNS = ("temperature", "temperature_24h", "direct_solar_24h")
_NAMES = {
    "temperature": r"temp(erature)?(_2m)?|t2m|t_2m|air_temperature",
    "temperature_24h": r"(temp(erature)?)(_2m)?_24h",
    "direct_solar_24h": r"direct_(solar|radiation)_24h",
}
_TIMES = ("ds", "time", "timestamp", "datetime", "date")
_UNIT = re.compile(r"[ _]*[(\[]?(?:°|deg_?)?([cfk]|celsius|fahrenheit|kelvin)[)\]]?$")
_MISSING_BELOW = -90.0
"""Colder than anywhere on Earth: tables write -9999, -999 or -99 for a missing measurement."""
_HOTTEST_C, _COLDEST_K, _HOTTEST_K = 58.0, 180.0, 332.0
_NOTHING = ["", "null", "na", "nan", "-"]
_BRIDGED_HOURS = 6
_MAX_SOLAR = 1400.0


def read_weather(path: Path) -> pd.DataFrame:
    """A weather table from CSV, an hour a row, every hour once (finer rows are averaged).

    Needs `ds` with a UTC offset and `temperature`; without `temperature_24h` the temperature of tomorrow's hour is
    taken to be today's, without `direct_solar_24h` there is no sun. °F and K are converted where the name of the
    column, or for K the values, tell them. Gaps of up to six hours are bridged along a straight line, with a warning.

    Raises TableError naming the file.
    """
    if not path.is_file():
        raise TableError(f"{path} does not exist: it is the weather feed named in the settings")
    try:
        with path.open(encoding="utf-8-sig") as file:
            names = file.readline()
        delimiter = max(",;\t", key=names.count)
        table = pd.read_csv(path, dtype=str, encoding="utf-8-sig", sep=delimiter, skipinitialspace=True)
    except (ValueError, pd.errors.ParserError):  # the parser's own message may quote a cell
        raise TableError(f"{path} is not a weather feed: it needs columns ds and temperature, as CSV") from None
    return weather_of(path, table)


def weather_of(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The weather in a table of text, read as `read_weather` reads a file; `path` is what errors name."""
    units = {}
    found = {}
    for name in table.columns:
        plain = name.strip().lower()
        unit = _UNIT.search(plain) if not re.fullmatch("|".join(_NAMES.values()), plain) else None
        bare = (plain[: unit.start()] if unit else plain).strip(" _")
        for column, pattern in _NAMES.items():
            if column not in found and re.fullmatch(pattern, bare):
                found[column], units[column] = _numbers(path, table[name]), unit[1][0] if unit else ""
    time = next((name for name in table.columns if name.strip().lower() in _TIMES), None)
    if time is None or "temperature" not in found:
        raise TableError(f"{path} is not a weather feed: it needs columns ds (with UTC offset) and temperature")
    weather = pd.DataFrame({"ds": _times(path, table[time])})
    for column, values in found.items():
        weather[column] = _celsius(path, column, values, units[column]) if "temp" in column else _sun(values)
    return _every_hour(path, _hourly(path, weather))


def _numbers(path: Path, cells: "pd.Series[str]") -> "pd.Series[float]":
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    wrong = (
        numbers.isna()
        & cells.notna()
        & ~cells.fillna("").str.strip().str.lower().isin(["", "null", "na", "nan", "-"])
    )
    if wrong.any():
        raise TableError(
            f"{path}, row {int(wrong.argmax()) + 2}: the value is not a number: write it with a decimal point"
        )
    return numbers.where(np.isfinite(numbers) & (numbers > _MISSING_BELOW))


def _times(path: Path, cells: "pd.Series[str]") -> "pd.Series[pd.Timestamp]":
    has_offset = cells.fillna("").str.strip().str.contains(r"(?:Z|UTC|[+-]\d{2}:?\d{2})$", regex=True)
    if not has_offset.all():
        row = int((~has_offset).to_numpy().argmax()) + 2
        raise TableError(
            f"{path}, row {row}: the time has no UTC offset: write 2026-01-31T14:00Z, or +01:00 at its end"
        )
    try:
        times = pd.to_datetime(cells.str.strip().str.removesuffix("UTC").str.strip(), utc=True, format="ISO8601")
    except ValueError:
        raise TableError(f"{path}: a time can't be read: write 2026-01-31T14:00Z") from None
    return times.dt.as_unit("ns")


def _celsius(path: Path, column: str, values: "pd.Series[float]", unit: str) -> "pd.Series[float]":
    """Temperatures in °C. Raises TableError for values that are none in the unit that is told."""
    if unit == "f":
        return (values - 32) / 1.8
    is_kelvin = unit == "k" or (not unit and values.min() >= _COLDEST_K and values.max() <= _HOTTEST_K)
    if is_kelvin:
        log.warning("weather in kelvin is converted", extra={"path": str(path), "column": column})
        values = values - 273.15
    if values.max() > _HOTTEST_C:
        remedy = f"if it is in °F, call the column {column}_f, if in K, {column}_k"
        raise TableError(f"{path}: {column} goes up to {values.max():.0f} °C: {remedy}")
    return values


def _sun(values: "pd.Series[float]") -> "pd.Series[float]":
    return values.clip(0, _MAX_SOLAR)


def _hourly(path: Path, weather: pd.DataFrame) -> pd.DataFrame:
    """Means of each hour. Raises TableError for an hour that is there twice with different values."""
    weather = weather.drop_duplicates().sort_values("ds", ignore_index=True)
    if weather["ds"].duplicated().any():
        when = weather["ds"][weather["ds"].duplicated()].iloc[0]
        raise TableError(f"{path}: {when.isoformat()} appears twice with different values: keep each time once")
    grouped = weather.groupby(weather["ds"].dt.floor("h")).mean(numeric_only=True)
    return grouped.rename_axis("ds").reset_index()


def _every_hour(path: Path, weather: pd.DataFrame) -> pd.DataFrame:
    """All columns at every hour from the first to the last."""
    if weather.empty:
        raise TableError(f"{path} has no rows: it is the weather feed named in the settings")
    if "temperature_24h" not in weather:
        log.warning("the weather feed has no predictions: tomorrow counts as today", extra={"path": str(path)})
        weather["temperature_24h"] = weather["temperature"]
    if "direct_solar_24h" not in weather:
        weather["direct_solar_24h"] = 0.0
    hours = pd.date_range(weather["ds"].iloc[0], weather["ds"].iloc[-1], freq="h", unit="ns")
    whole = weather.set_index("ds").reindex(hours)[[*COLUMNS]]
    known = np.flatnonzero(whole.notna().all(axis=1).to_numpy())
    if len(known) == 0:
        raise TableError(f"{path} has no hour with all its values: it is the weather feed named in the settings")
    gaps = np.diff(known) - 1
    if gaps.max(initial=0) > _BRIDGED_HOURS:
        at = int(gaps.argmax())
        first = whole.index[known[at] + 1]
        problem = f"{path}: values are missing in {gaps[at]} hours from {first.isoformat()}"
        raise TableError(f"{problem}: up to {_BRIDGED_HOURS} hours between others are bridged; supply the rest")
    if bridged := int(gaps.sum()):
        log.warning("gaps of the weather feed are bridged", extra={"path": str(path), "hours": bridged})
    whole = whole.iloc[known[0] : known[-1] + 1].interpolate()
    return whole.rename_axis("ds").reset_index()


def write_weather(weather: pd.DataFrame, path: Path) -> None:
    """Write a weather table, whole or not at all."""
    from data.atomic import write_bytes

    text = weather.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
    write_bytes(path, text.encode())

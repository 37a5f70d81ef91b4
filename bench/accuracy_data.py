"""The communities that `bench.accuracy` measures on: the demo's homes, London's, or a table of anybody's.

A table has columns `unique_id`, `ds` (start of the hour, UTC) and `y` (Wh in that hour), as CSV (perhaps .gz) or
parquet, an hour a row; hours that were not measured are absent, or have an empty `y`. With a column `temperature`
(perhaps `temperature_24h`, `direct_solar_24h`: `data.weather.table`) it has the weather, too, the same for all homes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data import citylearn
from data.citylearn import CommunityData
from data.community import neutral_weather
from data.day import HOURS_PER_DAY, DayClock
from data.errors import TableError
from data.table import long_table
from data.weather.table import weather_of

FONTANA, LONDON = "fontana", "london"
LONDON_TABLE = Path(__file__).parents[2] / "shared" / "data" / "london.parquet"
LONDON_HOMES, DRAW_SEED = 17, 1
_FEWEST_DAYS = 90
_FEWEST_DAYS_OF_A_HOME, _NAMED = 28, 5
_COLUMNS = ("unique_id", "ds", "y")


@dataclass(frozen=True)
class Community:
    """A community's name, readings and weather, and its clock."""

    name: str
    data: CommunityData = field(repr=False)
    clock: DayClock

    @property
    def homes(self) -> list[str]:
        return sorted(str(home) for home in self.data.readings["unique_id"].unique())


def open_community(
    data: str, cache: Path, start_utc: int | None = None, homes: int | None = None, seed: int = DRAW_SEED
) -> Community:
    """The community that `data` names: `fontana`, `london`, or the path of a table.

    Args:
        start_utc: hour at which its days start; by default 8 in Fontana (local midnight there), 0 elsewhere.
        homes: so many of its homes, drawn by `numpy.random.default_rng(seed)` from the sorted names; by default 17 of
            London's, elsewhere all.

    Raises DataError where the data are missing or can't be used.
    """
    if data == FONTANA:
        found, name, start = citylearn.load(cache), FONTANA, citylearn.DAY_START_UTC
    else:
        path = LONDON_TABLE if data == LONDON else Path(data)
        found, name, start = _read(path), path.name.split(".")[0], 0
        homes = LONDON_HOMES if data == LONDON and homes is None else homes
    readings = found.readings if homes is None else _drawn(found.readings, homes, seed)
    if readings["unique_id"].nunique() < 2:
        raise TableError(f"{name} has one home: two make a community at least")
    clock = DayClock(start if start_utc is None else start_utc)
    days = (readings["ds"].max() - readings["ds"].min()) / pd.Timedelta(days=1)
    if days < _FEWEST_DAYS:
        raise TableError(
            f"{name} has {days:.0f} days: learning, calibrating and judging take {_FEWEST_DAYS} at least"
        )
    return Community(name, CommunityData(readings, found.weather), clock)


def check_homes(community: Community, train_end: int, first_scored: int, end: int) -> None:
    """Raises TableError naming the homes that there is nothing to learn of before the day `train_end`, or nothing to
    be judged by in first_scored <= day < end: a home's error is relative to what it uses."""
    readings, clock = community.data.readings, community.clock
    days, homes = clock.days_of(pd.DatetimeIndex(readings["ds"])), readings["unique_id"]
    begun = readings[days < train_end].groupby("unique_id")["y"].agg(["size", "sum"]).reindex(community.homes)
    judged = readings[(days >= first_scored) & (days < end)].groupby(homes)["y"].sum().reindex(community.homes)
    reasons = {
        f"has less than {_FEWEST_DAYS_OF_A_HOME} days": ~(begun["size"] >= HOURS_PER_DAY * _FEWEST_DAYS_OF_A_HOME),
        "uses nothing": begun["sum"] == 0,
    }
    learnt = f"before {clock.start_of(train_end):%Y-%m-%d}, to learn from"
    wrong = [f"{home} {why} {learnt}" for why, bad in reasons.items() for home in begun.index[bad]]
    period = f"from {clock.start_of(first_scored):%Y-%m-%d} to {clock.start_of(end):%Y-%m-%d}, which are judged"
    wrong += [f"{home} uses nothing in the days {period}" for home in judged.index[~(judged > 0)]]
    if wrong:
        more = f", and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise TableError(f"{community.name}: {'; '.join(wrong[:_NAMED])}{more}: leave them out of the table")


def _drawn(readings: pd.DataFrame, homes: int, seed: int) -> pd.DataFrame:
    names = sorted(readings["unique_id"].unique())
    if not 1 < homes <= len(names):
        raise TableError(f"--homes {homes}: the community has {len(names)}, and two make one at least")
    chosen = np.random.default_rng(seed).choice(names, homes, replace=False)
    return readings[readings["unique_id"].isin(chosen)].reset_index(drop=True)


def _read(path: Path) -> CommunityData:
    """Readings and weather of a table. Raises TableError naming the file and the first thing that is wrong."""
    if not path.is_file():
        raise TableError(f"{path} does not exist: give fontana, london, or a table of {', '.join(_COLUMNS)}")
    try:
        table = _table(path)
    except (ValueError, OSError, EOFError) as problem:
        raise TableError(f"{path} can't be read as a table ({type(problem).__name__})") from None
    if absent := [column for column in _COLUMNS if column not in table]:
        raise TableError(f"{path} has no column {', '.join(absent)}: it needs {', '.join(_COLUMNS)}")
    try:
        table["ds"] = pd.to_datetime(table["ds"], utc=True).dt.as_unit("ns")
        table["y"] = pd.to_numeric(table["y"])
        known = table.dropna(subset=["y"])
        energy = known["y"].round().astype("int64")
        readings = long_table(known["unique_id"].astype("str"), known["ds"], energy)
    except TableError as problem:
        raise TableError(f"{path}: {problem} (ds is UTC where it has no offset)") from None
    except ValueError as problem:
        raise TableError(f"{path}: ds must be times and y numbers ({type(problem).__name__})") from None
    if readings.empty:
        raise TableError(f"{path} has no reading: no row has a y")
    if not np.allclose(energy, known["y"], atol=0.5) or energy.mean() < 10:
        raise TableError(f"{path}: y is {energy.mean():.1f} in the mean: it must be the Wh of an hour, not kWh or W")
    return CommunityData(readings, _weather(path, table, readings))


def _table(path: Path) -> pd.DataFrame:
    """The table as it is stored; times that parquet keeps as an index are a column of it."""
    if path.suffix.lower() != ".parquet":
        return pd.read_csv(path, dtype={"unique_id": "str"})
    table = pd.read_parquet(path)
    kept = [name for name in table.index.names if name in _COLUMNS]
    return table.reset_index(kept) if kept else table


def _weather(path: Path, table: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    columns = [column for column in table if column not in _COLUMNS]
    if "temperature" not in columns:
        return neutral_weather(readings["ds"].min(), readings["ds"].max())
    hours = table[["ds", *columns]].dropna(how="all", subset=columns).drop_duplicates()
    text = hours[columns].astype(object).where(hours[columns].notna(), "").astype("str")
    return weather_of(path, text.assign(ds=hours["ds"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")))


def totals_of(readings: pd.DataFrame) -> pd.DataFrame:
    """What the community's own meter would have read: the homes' sum of every hour, as the table of one home.

    Of an hour that a home lacks it has that home's load of the same hour a day before, or of the last day that there
    is, so that nothing later is in it; hours before the last home's first reading are left out.
    """
    wide = readings.pivot(index="ds", columns="unique_id", values="y").asfreq("h").astype("float64")
    whole = wide.groupby(pd.DatetimeIndex(wide.index).hour).ffill().dropna()
    total = whole.sum(axis=1)
    table = pd.DataFrame({"unique_id": "community", "ds": total.index, "y": total.round().astype("int64").to_numpy()})
    return table.assign(filled=False)

"""Homes with PV whose meters are read every quarter of an hour: what is shared within an hour differs from quarter to
quarter, so that a settlement by the hour would share more."""

from pathlib import Path

import numpy as np
import pandas as pd

from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from data.day import DayClock
from data.quarters import HomeQuarters, hourly
from data.table import QUARTER, long_table

_PER_DAY = 96


def quarters_of(name: str, number: int, clock: DayClock, first: int, days: int) -> pd.DataFrame:
    """Load in one quarter, sun in the next, on the roofs of two homes in three."""
    rng = np.random.default_rng(number)
    ds = pd.date_range(clock.start_of(first), periods=_PER_DAY * days, freq="15min", unit="ns")
    local = (ds.hour - clock.start_hour_utc) % 24
    sun = np.where((local >= 8) & (local < 17) & (rng.random(len(ds)) < 0.6), 900, 0) if number % 3 else 0
    net = rng.integers(20, 500, len(ds)) - sun
    return long_table(name, ds, np.maximum(net, 0), False, pd.Series(np.maximum(-net, 0), dtype="Int64"), QUARTER)


def quarter_home(folder: Path, clock: DayClock, table: pd.DataFrame) -> MeteredHome:
    """A home with its table of quarters, and the hours that they come to."""
    name = str(table["unique_id"].iloc[0])
    return MeteredHome(Home(name, folder / name), hourly(table), clock, quarters=HomeQuarters(table, name, clock))


def quarter_homes(folder: Path, clock: DayClock, first: int, days: int, count: int = 4) -> list[MeteredHome]:
    tables = (quarters_of(f"roof-{k}", k, clock, first, days) for k in range(count))
    return [quarter_home(folder, clock, table) for table in tables]

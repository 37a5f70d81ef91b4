"""A small settled period: three homes with PV for a week, every share proven."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from api.gateway.home import Home
from api.gateway.metered_home import MeteredHome
from api.one_machine.settlement import meters_of, settle_period
from api.operator.settled_periods import FILE
from api.protocol import settlement_file
from api.protocol.period import Key
from api.protocol.settlement import Settlement
from data.atomic import write_bytes
from data.day import DayClock
from data.table import long_table
from tests.api.quarter_homes import quarter_homes

FIRST, DAYS = date(2017, 5, 1), 7
WEEK, NEXT_WEEK = "2017-05-01..2017-05-07", "2017-05-08..2017-05-14"


def metered_homes(folder: Path, clock: DayClock) -> list[MeteredHome]:
    """Three homes; the second and the third have a roof of their own."""
    start = clock.start_of(clock.day_on(FIRST))
    ds = pd.date_range(start, periods=24 * DAYS, freq="h", unit="ns")
    sun = (ds.hour > 14) & (ds.hour < 23)
    homes = []
    for k in range(3):
        net = np.random.default_rng(k).integers(100, 900, len(ds)) - np.where(sun, k * 600, 0)
        fed_in = pd.Series(np.maximum(-net, 0), dtype="Int64")
        table = long_table(f"roof-{k}", ds, np.maximum(net, 0), export=fed_in)
        homes.append(MeteredHome(Home(f"roof-{k}", folder / f"roof-{k}"), table, clock))
    return homes


def settle_quarters(community: str, homes_dir: Path, settlements: Path, clock: DayClock) -> Settlement:
    """Settle the week after by the quarter of an hour, and keep it where the server looks."""
    first = clock.day_on(FIRST) + DAYS
    homes = quarter_homes(homes_dir, clock, first, DAYS, count=3)
    settlement = settle_period(community, homes, range(first, first + DAYS), Key(), fewest_days=DAYS)
    write_bytes(settlements / NEXT_WEEK / FILE, settlement_file.written(settlement, meters_of(homes)))
    return settlement


def settle_week(community: str, homes_dir: Path, settlements: Path, clock: DayClock) -> Settlement:
    """Settle the week and keep it where the server looks."""
    homes = metered_homes(homes_dir, clock)
    first = clock.day_on(FIRST)
    settlement = settle_period(community, homes, range(first, first + DAYS), Key(), fewest_days=DAYS)
    write_bytes(settlements / WEEK / FILE, settlement_file.written(settlement, meters_of(homes)))
    return settlement

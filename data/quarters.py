"""The quarters of an hour that a home's meter measured, beside its table of hours: settlement by the quarter reads
them, and nothing else does.

A table of quarters is a long table with a step of its own (`data.table.QUARTER`). It holds what was measured only: an
hour is there with all four of its quarters or with none, and they add up to that hour of the table of hours to the
watt-hour. `data.quarters` in the settings names the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.day import HOURS_PER_DAY, DayClock, hours_text
from data.errors import NoReadingsYet, TableError
from data.table import EXPORT, QUARTER, differing_rows, joined_tables, named_rows, read_table

QUARTERS_PER_DAY = HOURS_PER_DAY * QUARTER.per_hour
_NS_PER_QUARTER = 900_000_000_000
_MISSING, _JUDGED_HOURS = -1, 24
_HOW = (
    "Import a file of 15 minutes or less with --quarters TABLE, and name TABLE under data.quarters (docs/meters.md)"
)


@dataclass(frozen=True)
class DayQuarters:
    """A community day of which every quarter of both registers was measured: 96 whole Wh each, in order."""

    day: int
    import_wh: tuple[int, ...] = field(repr=False)
    export_wh: tuple[int, ...] = field(repr=False)


class HomeQuarters:
    """One home's quarters by community day."""

    def __init__(self, table: pd.DataFrame, home: str, clock: DayClock) -> None:
        """`table`: of quarters. Raises TableError where it has none of the home."""
        own = table[table["unique_id"] == home]
        if own.empty:
            raise TableError(
                f"there are no quarters of an hour of {home!r}: its readings are hours, and what happened within an "
                f"hour can't be known from them. {_HOW}"
            )
        self._home, self._clock = home, clock
        quarters = pd.DatetimeIndex(own["ds"]).as_unit("ns").asi8 // _NS_PER_QUARTER
        days = clock.days_of(own["ds"])
        first = clock.start_of(0).value // _NS_PER_QUARTER
        self._days, row = np.unique(days, return_inverse=True)
        place = (quarters - first) % QUARTERS_PER_DAY
        export = own[EXPORT] if EXPORT in own else pd.Series(pd.NA, index=own.index, dtype="Int64")
        self._import, self._export = (
            _by_day(len(self._days), row, place, wh.fillna(_MISSING).to_numpy(dtype=np.int64))
            for wh in (own["y"], export)
        )
        self._row = {int(day): at for at, day in enumerate(self._days)}

    def __repr__(self) -> str:
        return f"HomeQuarters({self._home}, {len(self._days)} days)"

    def split_up(self) -> str:
        """Words for how its quarters are hours that were split up (`split_up`); empty where they are not."""
        for what, register in (("import", self._import), ("export", self._export)):
            hours = register.reshape(-1, QUARTER.per_hour)
            if how := split_up(hours[(hours != _MISSING).all(axis=1)]):
                return f"the {what} of all hours is {how}"
        return ""

    @property
    def whole_days(self) -> list[int]:
        """The days of which all quarters of both registers are there, rising."""
        whole = (self._import != _MISSING).all(axis=1) & (self._export != _MISSING).all(axis=1)
        return [int(day) for day in self._days[whole]]

    def day(self, day: int) -> DayQuarters:
        """A whole day. Raises TableError that says which quarters are missing, of which register."""
        at = self._row.get(day)
        if at is None:
            raise TableError(f"{self._named(day)}: there are none of its quarters of an hour")
        for what, register in (("import", self._import), ("export", self._export)):
            missing = np.flatnonzero(register[at] == _MISSING)
            if len(missing):
                hours = self._clock.hours(day)[np.unique(missing // QUARTER.per_hour)]
                raise TableError(
                    f"{self._named(day)}: {len(missing)} of its {QUARTERS_PER_DAY} quarters of an hour of {what} "
                    f"were not measured: those of {hours_text(hours)}"
                )
        return DayQuarters(day, tuple(self._import[at].tolist()), tuple(self._export[at].tolist()))

    def _named(self, day: int) -> str:
        return f"{self._home}, day {day} ({self._clock.date_of(day)})"


def _by_day(days: int, row: NDArray[np.intp], place: NDArray[np.int64], wh: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values at their places: int64 [days, 96]."""
    grid = np.full((days, QUARTERS_PER_DAY), _MISSING, dtype=np.int64)
    grid[row, place] = wh
    return grid


def read_quarters(path: Path) -> pd.DataFrame:
    """A table of quarters. Raises TableError naming the file (NoReadingsYet if it is missing)."""
    if not path.is_file():
        raise NoReadingsYet(f"{path} does not exist. {_HOW}")
    return read_table(path, QUARTER)


def load_quarters(files: Sequence[Path], hours: pd.DataFrame) -> pd.DataFrame:
    """The tables of quarters (at least one) in one, which agree with the table of `hours`. Raises TableError."""
    table = joined_tables(files, "data.quarters", read_quarters, QUARTER)
    if len(changed := disagreeing_hours(hours, table)):
        raise TableError(
            f"{', '.join(map(str, files))}: the quarters of {named_rows(changed)} do not add up to what the table of "
            "hours has: import the file that is right, with --quarters and --replace"
        )
    return table


def disagreeing_hours(hours: pd.DataFrame, quarters: pd.DataFrame) -> pd.DataFrame:
    """The hours that were measured, whose quarters do not add up to them: unique_id, ds."""
    return differing_rows(hours, hourly(quarters))


def split_up(wh: NDArray[np.int64]) -> str:
    """Words for how quarters (whole hours of them, in order) are hours that were split up; empty where they are not.

    A program between the meter and the table did that, or a register that only moves once an hour: the meter says
    nothing about what happened within an hour.
    """
    hours = wh.reshape(-1, QUARTER.per_hour)
    hours = hours[hours.sum(axis=1) > QUARTER.per_hour]
    if len(hours) < _JUDGED_HOURS:
        return ""
    if (np.ptp(hours, axis=1) <= 1).all():
        return "split evenly"
    return "each in one quarter" if (hours > 0).any(axis=0).sum() == 1 else ""


def hourly(quarters: pd.DataFrame) -> pd.DataFrame:
    """The sums of a table of quarters by hour, a long table."""
    hour = quarters["ds"].dt.floor("h")
    sums = {"y": "sum", "filled": "any"}
    table = quarters.groupby(["unique_id", hour], sort=True).agg(sums)
    if EXPORT in quarters:
        # An hour's export is known in all of its quarters or in none.
        table[EXPORT] = quarters[EXPORT].groupby([quarters["unique_id"], hour], sort=True).sum(min_count=1)
    return table.reset_index()

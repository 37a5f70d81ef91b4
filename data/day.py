"""Community days: 24 hours each, starting at one fixed UTC hour, numbered from 1970-01-01.

Daylight saving never reaches this far inside, so no day has 23 or 25 hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import DayError

if TYPE_CHECKING:  # who has windows already, a coordinator or a simulation's worker, loads none
    import pandas as pd

HOURS_PER_DAY = 24
LAST_DAY = 106_749
"""The last community day, in 2262: the day after it is the last that 64 bits of nanoseconds can count."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_HOUR = 3_600_000_000_000
_NS_PER_DAY = HOURS_PER_DAY * _NS_PER_HOUR


@dataclass(frozen=True)
class DayClock:
    """The community's clock. Day `d` is the 24 hours from `start_hour_utc` on the date 1970-01-01 + d days."""

    start_hour_utc: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_hour_utc < HOURS_PER_DAY:
            raise ValueError(f"a day starts at a UTC hour of 0 to 23, not {self.start_hour_utc}")

    def day_of(self, moment: datetime) -> int:
        """The day that contains `moment` (time zone aware; a naive one raises ValueError)."""
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone: times inside Wattproof are UTC")
        import pandas as pd

        return int(self.days_of(pd.DatetimeIndex([moment]))[0])

    def days_of(self, ds: pd.DatetimeIndex | pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
        """`day_of` for a column of UTC times [n] -> int64 [n]."""
        return (_nanoseconds(ds) - self.start_hour_utc * _NS_PER_HOUR) // _NS_PER_DAY

    def hours_of(self, ds: pd.DatetimeIndex | pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
        """The hour of the community day, 0 to 23, for a column of UTC times [n] -> int64 [n]."""
        return (_nanoseconds(ds) - self.start_hour_utc * _NS_PER_HOUR) // _NS_PER_HOUR % HOURS_PER_DAY

    def start_of(self, day: int) -> pd.Timestamp:
        """The first moment of `day`, UTC: the origin of the day's forecast. Raises DayError for one out of range."""
        if not -LAST_DAY <= day <= LAST_DAY + 1:
            raise DayError(f"there is no day {day}: days run from 0 (1970-01-01) to {LAST_DAY} (2262-04-09)")
        import pandas as pd

        return pd.Timestamp(day * _NS_PER_DAY + self.start_hour_utc * _NS_PER_HOUR, unit="ns", tz="UTC")

    def starts_of(self, days: NDArray[np.int64]) -> pd.DatetimeIndex:
        """`start_of` for int64 [n] -> UTC times [n]."""
        import pandas as pd

        nanoseconds = days * _NS_PER_DAY + self.start_hour_utc * _NS_PER_HOUR
        return pd.DatetimeIndex(nanoseconds.astype("datetime64[ns]"), tz="UTC")

    @property
    def zone(self) -> str:
        """The fixed time zone in which days start at midnight: UTC−8 for days that start at 08:00 UTC."""
        offset = -self.start_hour_utc if self.start_hour_utc <= 12 else 24 - self.start_hour_utc
        return f"UTC{'−' if offset < 0 else '+'}{abs(offset)}" if offset else "UTC"

    def date_of(self, day: int) -> date:
        """The date that people give `day`: that of its middle, since a day that starts at 23:00 UTC is tomorrow's.

        >>> DayClock(23).date_of(17316)
        datetime.date(2017, 5, 31)
        """
        return (_EPOCH + timedelta(days=day, hours=self.start_hour_utc + HOURS_PER_DAY // 2)).date()

    def day_on(self, named: date) -> int:
        """The day to which people give a date."""
        return (named - self.date_of(0)).days

    def hours(self, day: int) -> pd.DatetimeIndex:
        """The starts of the 24 hours of `day`, UTC."""
        import pandas as pd

        return pd.date_range(self.start_of(day), periods=HOURS_PER_DAY, freq="h", unit="ns")


def utc_text(time: pd.Timestamp) -> str:
    """A UTC time as text, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC")


def hours_text(hours: pd.DatetimeIndex, most: int = 4) -> str:
    """Text for the starts of some hours in order (at least one); consecutive ones as one span."""
    breaks = np.flatnonzero(np.diff(_nanoseconds(hours)) != _NS_PER_HOUR) + 1
    runs = np.split(np.arange(len(hours)), breaks)
    spans = [
        utc_text(hours[run[0]]) if len(run) == 1 else f"{len(run)} hours from {utc_text(hours[run[0]])}"
        for run in runs[:most]
    ]
    rest = sum(len(run) for run in runs[most:])
    return ", ".join(spans) + (f" and {rest} more hours" if rest else "")


def _nanoseconds(ds: pd.DatetimeIndex | pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
    import pandas as pd

    index = pd.DatetimeIndex(ds)
    if index.tz is None:
        raise ValueError("times have no time zone: times inside Wattproof are UTC")
    return index.tz_convert("UTC").as_unit("ns").asi8

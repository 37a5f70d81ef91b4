"""The days of shared energy that a gateway's home can enter: those that its meter has signed on both registers.

Signing loads the proof system, so it is a job of a separate process (`api.gateway.jobs`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from api.gateway.file_times import changed_at
from api.gateway.jobs import Isolated
from api.gateway.secure_sum.contribution import SHARED_DAYS
from data.errors import DataError, NoReadingsYet
from data.interval import IntervalMinutes
from data.settings import DataSettings

_log = logging.getLogger(__name__)


class SharedDays:
    """The days a home can enter; called again and again, it looks into the tables only when they have changed."""

    def __init__(
        self, home: str, folder: Path, data: DataSettings, run: Isolated, interval: IntervalMinutes = 60
    ) -> None:
        """`folder`: the home's own. `interval`: by which shared energy is settled."""
        self._home, self._folder, self._data, self._run, self._interval = home, folder, data, run, interval
        self._seen: list[tuple[str, int]] | None = None
        self._days: list[int] = []

    def __call__(self) -> Sequence[int]:
        """Rising. Empty while there is no whole day, or none can be read: the log says why, once for each table."""
        files = changed_at((*self._data.files, *(self._data.quarters if self._interval == 15 else ())))
        if files != self._seen:
            try:
                self._days = self._run(sign_newest_days, self._home, self._folder, self._data, self._interval)
            except DataError as why:
                _log.warning("no days of shared energy", extra={"home": self._home, "reason": str(why)})
                self._days = []
            self._seen = files
        return self._days


def sign_newest_days(home: str, folder: Path, data: DataSettings, interval: IntervalMinutes = 60) -> list[int]:
    """Sign both registers of the newest days of a home's table; the days that are signed.

    Raises DataError where there is none, and says what yesterday lacks: of a home without a register of export, or
    by the quarter of an hour one of which there are only hours.
    """
    from api.gateway.home import Home
    from api.gateway.metered_home import MeteredHome, quarters_table
    from data.community import load_readings, readings_of
    from data.day import DayClock
    from data.quarters import HomeQuarters

    clock = DayClock(data.day_start_utc)
    readings = load_readings(data)
    table = readings_of(readings, home)
    end = clock.day_of(table["ds"].max()) + 1
    quarters = None if interval == 60 else HomeQuarters(quarters_table(data, readings), home, clock)
    metered = MeteredHome(Home(home, folder), table, clock, quarters=quarters)
    days = sorted(metered.signed(range(end - SHARED_DAYS, end)))
    if not days:
        yesterday = max(clock.day_of(table["ds"].min()), end - 2)
        raise NoReadingsYet(f"no day was measured as a whole: {metered.lacking_on(yesterday)}")
    return days

"""The days of shared energy that a gateway's home can enter: those that its meter has signed on both registers.

Signing loads the proof system, so it is a job of a separate process (`api.gateway.jobs`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from api.gateway.jobs import Isolated
from api.gateway.secure_sum.contribution import SHARED_DAYS
from data.errors import DataError
from data.settings import DataSettings

_log = logging.getLogger(__name__)


class SharedDays:
    """The days a home can enter; called again and again, it looks into the tables only when they have changed."""

    def __init__(self, home: str, folder: Path, data: DataSettings, run: Isolated) -> None:
        """`folder`: the home's own."""
        self._home, self._folder, self._data, self._run = home, folder, data, run
        self._seen: list[tuple[str, int]] | None = None
        self._days: list[int] = []

    def __call__(self) -> Sequence[int]:
        """Rising. Empty while there is no whole day, or none can be read: the log says why, once for each table."""
        stamps = [(str(path), path.stat().st_mtime_ns if path.exists() else 0) for path in self._data.files]
        if stamps != self._seen:
            try:
                self._days = self._run(sign_newest_days, self._home, self._folder, self._data)
            except DataError as why:
                _log.warning("no days of shared energy", extra={"home": self._home, "reason": str(why)})
                self._days = []
            self._seen = stamps
        return self._days


def sign_newest_days(home: str, folder: Path, data: DataSettings) -> list[int]:
    """Sign both registers of the newest days of a home's table; the days that are signed. Raises DataError."""
    from api.gateway.home import Home
    from api.gateway.metered_home import MeteredHome
    from data.community import load_community, readings_of
    from data.day import DayClock

    clock = DayClock(data.day_start_utc)
    table = readings_of(load_community(data).readings, home)
    end = clock.day_of(table["ds"].max()) + 1
    return sorted(MeteredHome(Home(home, folder), table, clock).signed(range(end - SHARED_DAYS, end)))

"""A recorded year as a live meter: its hours arrive as a clock reaches them, a community day at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from data.errors import SourceError
from data.sources.source import Hour

_HOUR_S, _DAY_S = 3600, 86_400


class RecordedMeter:
    """The hours of a long table (`data.table`) up to the end of the last day that is over.

    Args:
        path: the table of one home.
        now: the clock, UTC seconds.
        day_start_utc: the UTC hour at which a day starts.
    """

    def __init__(self, path: Path, now: Callable[[], float], day_start_utc: int) -> None:
        self._now, self._offset_s = now, day_start_utc * _HOUR_S
        self._hours = _read(path)

    def poll(self, since: datetime | None) -> Iterable[Hour]:
        """Raises nothing: the table was read when the meter was opened."""
        over = (int(self._now()) - self._offset_s) // _DAY_S * _DAY_S + self._offset_s
        end = datetime.fromtimestamp(over, UTC)
        return [
            hour
            for hour in self._hours
            if hour.start + timedelta(hours=1) <= end and (since is None or hour.start >= since)
        ]


def _read(path: Path) -> list[Hour]:
    """Without pandas, which an agent's main process never loads. Raises SourceError for a file of another kind."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if not {"ds", "y", "filled"} <= set(rows.fieldnames or ()):
                raise ValueError("no table")
            return [
                Hour(
                    datetime.fromisoformat(row["ds"]).astimezone(UTC),
                    int(row["y"]),
                    int(row["export"]) if row.get("export") else None,
                    row["filled"] == "True",
                )
                for row in rows
            ]
    except (OSError, ValueError, OverflowError, KeyError, TypeError, csv.Error):
        raise SourceError(f"{path} is not a table that Wattproof wrote: name another in replay.recorded") from None

"""The closing line of an import: enough for a person to notice a wrong time zone or a wrong unit."""

from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pandas as pd

from data.importing.options import Imported
from data.table import QUARTER


def summary(imported: Imported, zone: ZoneInfo | None) -> str:
    """One line: local first and last time, hours, kWh a day, the hour of the peak, filled and cut hours, and how
    many hours have their quarters."""
    table = imported.readings
    local = _zone(imported, zone)
    starts = table["ds"].dt.tz_convert(local)
    first, last = starts.iloc[0], starts.iloc[-1] + pd.Timedelta(hours=1)
    a_day = table["y"].mean() * 24 / 1000
    words = (
        f"{len(table)} hours from {first:%a %Y-%m-%d %H:%M} to {last:%a %Y-%m-%d %H:%M} ({_named(local)}), "
        f"{a_day:.2f} kWh a day, {_peak(table['y'], starts)}, {imported.filled_hours} filled, "
        f"{imported.cut_hours} cut out"
    )
    if "export" in table:
        known = table["export"].dropna()
        words += f", export {known.mean() * 24 / 1000:.2f} kWh a day" if len(known) else ""
    if imported.quarters is not None:
        words += f", quarters of {len(imported.quarters) // QUARTER.per_hour} of these hours"
    return words


def _zone(imported: Imported, zone: ZoneInfo | None) -> tzinfo:
    return zone or timezone(timedelta(seconds=imported.offset_s))


def _named(zone: tzinfo) -> str:
    return zone.key if isinstance(zone, ZoneInfo) else str(zone.tzname(None))


def _peak(wh: "pd.Series[int]", starts: "pd.Series[pd.Timestamp]") -> str:
    """The hour of the day with the most energy on average."""
    by_hour = wh.groupby(starts.dt.hour).mean()
    hour = int(by_hour.index.to_numpy()[by_hour.to_numpy().argmax()])
    return f"peak {hour:02d}:00 to {(hour + 1) % 24:02d}:00"

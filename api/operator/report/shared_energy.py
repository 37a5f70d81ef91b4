"""What a report says of shared energy and of surplus hours, where the community has them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from api.operator.community import Community
from api.operator.settled_periods import SettledPeriods
from api.operator.surplus_days import SurplusDays


@dataclass(frozen=True)
class SharedRow:
    """A settled period, or what of it lies in the report: its days there and in all, energy of all members (Wh)."""

    period: str
    days: int
    of_days: int
    taken_wh: int
    fed_in_wh: int
    shared_wh: int


@dataclass(frozen=True)
class SurplusRow:
    """A day's surplus hours, as spans of the community's local time, and the surplus forecast for them (Wh)."""

    date: date
    spans: str
    surplus_wh: int


def shared_rows(community: Community, days: Collection[int]) -> tuple[SharedRow, ...]:
    """The settled periods that have some of the days. Raises DamagedFile."""
    periods = SettledPeriods(community.config.api.settlements_dir, community.clock)
    rows = []
    for name in periods.names():
        found = periods.of(name)
        own = [] if found is None else [day for day in found.hours if day.day in days]
        if found is None or not own:
            continue
        taken, fed_in, shared = (
            sum(sum(column) for column in columns)
            for columns in zip(*((day.taken_wh, day.fed_in_wh, day.shared_wh) for day in own), strict=True)
        )
        rows.append(SharedRow(name, len(own), len(found.hours), taken, fed_in, shared))
    return tuple(rows)


def surplus_rows(community: Community, days: Collection[int]) -> tuple[SurplusRow, ...]:
    """The days whose surplus hours are known. Raises DamagedFile."""
    kept = SurplusDays(community.config.api.surplus_dir, community.clock)
    rows = []
    for day in (one for one in kept.days() if one in days):
        found = kept.of(day)
        if found is not None:
            left = sum(found.export_wh[hour] - found.load_wh[hour] for hour in found.hours)
            rows.append(SurplusRow(found.date, spans(found.hours), left))
    return tuple(rows)


def spans(hours: Collection[int]) -> str:
    """Hours of a day that starts at midnight of its own time zone, those that follow one another as one span.

    >>> spans([9, 10, 11, 14])
    '09:00-12:00, 14:00-15:00'
    """
    starts = [hour for hour in sorted(hours) if hour - 1 not in hours]
    ends = [hour + 1 for hour in sorted(hours) if hour + 1 not in hours]
    return ", ".join(f"{_clock(start)}-{_clock(end)}" for start, end in zip(starts, ends, strict=True)) or "none"


def _clock(hour: int) -> str:
    return f"{hour:02}:00"

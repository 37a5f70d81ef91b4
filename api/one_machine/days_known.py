"""Which days exist: with forecasts and totals in the database, and with readings in the files here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select

from api.config.community_yaml import Config
from api.one_machine.community import LocalCommunity
from api.operator.database.tables import CommunityTotal, Forecast, MeasuredTotal


@dataclass(frozen=True)
class KnownDay:
    """A day with at least one forecast or total."""

    day: int
    date: date
    forecasts: int
    forecast_total: bool
    measured_total: bool

    def as_json(self) -> dict[str, Any]:
        """For programs: the date as ISO 8601."""
        return asdict(self) | {"date": self.date.isoformat()}


@dataclass(frozen=True)
class DaysKnown:
    """All days in order, and a sentence about the readings here."""

    days: list[KnownDay]
    readings: str


def days_known(config: Config) -> DaysKnown:
    """The days in the database and in the readings on this machine. Raises ConfigError, DataError, DatabaseError."""
    community = LocalCommunity(config)
    with community.sessions() as session:
        counted = session.execute(select(Forecast.day, func.count()).group_by(Forecast.day))
        counts = {day: count for day, count in counted}
        totals = set(session.scalars(select(CommunityTotal.day)))
        measured = set(session.scalars(select(MeasuredTotal.day)))
    named = sorted(counts.keys() | totals | measured)
    days = [
        KnownDay(day, community.clock.date_of(day), counts.get(day, 0), day in totals, day in measured)
        for day in named
    ]
    return DaysKnown(days, _readings_sentence(community))


def _readings_sentence(community: LocalCommunity) -> str:
    if community.config.data.source == "none":
        return "There are no readings on this machine (data.source: none)."
    readings, clock = community.readings, community.clock
    ends = readings.groupby("unique_id", observed=True)["ds"].max()
    first, last = clock.day_of(readings["ds"].min()), clock.day_of(ends.min())
    return (
        f"Readings of {len(ends)} homes from {clock.date_of(first)} (day {first}); all of them reach "
        f"{clock.date_of(last)} (day {last})."
    )

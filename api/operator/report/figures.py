"""The figures of a report: totals, accuracy, households, energy shared, and every proof checked once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.database.tables import Forecast, GreenClaim, Household, PaidClaim, Reward
from api.operator.day_summary import day_summary
from api.operator.report.shared_energy import SharedRow, SurplusRow, shared_rows, surplus_rows
from api.protocol.accuracy import DayAccuracy, accuracy_of
from api.protocol.batch import bad_bundles
from api.protocol.bundle import parse
from api.protocol.schemas import DaySummary

_TOKEN = 10**18


@dataclass(frozen=True)
class DayRow:
    """A day of the report. Energy in Wh, None where it is not known; errors as WAPE."""

    day: int
    date: date
    homes: int
    forecast_wh: int | None
    measured_wh: int | None
    accuracy: DayAccuracy | None


@dataclass(frozen=True)
class HouseholdRow:
    """A household in the report: days with a forecast, days claimed, days with a proven green share, tokens paid."""

    household: str
    home: str | None
    forecasts: int
    claims: int
    green_days: int
    tokens: float


@dataclass(frozen=True)
class Report:
    """The figures of the days `first` to `last`. `bad`: what is wrong with those proofs that do not hold; `zone`: of
    hours."""

    community: str
    title: str
    days: tuple[DayRow, ...]
    summaries: tuple[DaySummary, ...]
    households: tuple[HouseholdRow, ...]
    shared: tuple[SharedRow, ...]
    surplus: tuple[SurplusRow, ...]
    zone: str
    proofs: int
    bad: tuple[str, ...]

    @property
    def energy_wh(self) -> tuple[int, int]:
        """Forecast and measured, of the days that have both."""
        both = [(d.forecast_wh, d.measured_wh) for d in self.days if d.forecast_wh and d.measured_wh is not None]
        return sum(f for f, _ in both), sum(m or 0 for _, m in both)

    def error(self, name: str) -> float | None:
        """The period's mean daily error of `calibrated`, `forecast_sum` or `naive`, of the days that have it."""
        found = [getattr(day.accuracy, name) for day in self.days if day.accuracy is not None]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None


def make_report(community: Community, days: Sequence[int], title: str) -> Report | None:
    """The report of these days; None where nothing is known of any. Checks every proof of theirs.

    Raises DamagedFile for a settlement or surplus hours that cannot be read.
    """
    found = [one for one in (day_summary(community, day) for day in days) if one is not None]
    if not found:
        return None
    known = {one.day for one in found}
    scored = {one.day: one for one in accuracy_of(past_days(community, max(known) + 1), community.shape.horizon)}
    proofs, bad = _checked(community, known)
    return Report(
        community=community.config.community.name, title=title,
        days=tuple(_row(community, one, scored.get(one.day)) for one in found), summaries=tuple(found),
        households=_households(community, known), shared=shared_rows(community, days),
        surplus=surplus_rows(community, days), zone=community.clock.zone, proofs=proofs, bad=bad,
    )  # fmt: skip


def _row(community: Community, summary: DaySummary, scored: DayAccuracy | None) -> DayRow:
    best = summary.forecast_wh if summary.calibrated is None else summary.calibrated.values_wh
    return DayRow(
        day=summary.day, date=community.clock.date_of(summary.day), homes=sum(h.in_total for h in summary.homes),
        forecast_wh=None if best is None else sum(best),
        measured_wh=None if summary.measured_wh is None else sum(summary.measured_wh), accuracy=scored,
    )  # fmt: skip


def _checked(community: Community, days: set[int]) -> tuple[int, tuple[str, ...]]:
    """How many proofs there are, of forecasts, claims and green shares, and what is wrong with those that fail."""
    with community.sessions() as session:
        kept = [
            row
            for table in (Forecast, PaidClaim, GreenClaim)
            for row in session.execute(select(table.household, table.day, table.bundle).where(table.day.in_(days)))
            if row.bundle is not None  # the contract took it directly, and checked it
        ]
    bad = bad_bundles([parse(row.bundle) for row in kept], community.config.community)
    named = (
        f"{kept[k].household}, day {kept[k].day}: {finding.what} {finding.problem or ''}"
        for k, finding in bad.items()
    )
    return len(kept), tuple(named)


def _households(community: Community, days: set[int]) -> tuple[HouseholdRow, ...]:
    names = {member.household: member.home for member in community.config.community.members}
    with community.sessions() as session:
        forecasts = list(session.scalars(select(Forecast.household).where(Forecast.day.in_(days))))
        rewards = list(session.scalars(select(Reward).where(Reward.day.in_(days))))
        green = list(session.scalars(select(GreenClaim).where(GreenClaim.day.in_(days))))
        addresses = list(session.scalars(select(Household.address).order_by(Household.address)))
    rows = []
    for address in addresses:
        own = [reward for reward in rewards if reward.household == address]
        own_green = [one for one in green if one.household == address]
        amounts = [one.amount for one in own] + [one.amount for one in own_green]
        paid = sum(int(amount or 0) for amount in amounts) / _TOKEN
        rows.append(
            HouseholdRow(address, names.get(address), forecasts.count(address), len(own), len(own_green), paid)
        )
    return tuple(rows)

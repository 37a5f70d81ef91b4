"""A community day at a glance: its totals, how good the forecast was, and which household did what."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.database.tables import (
    CommunityTotal,
    Forecast,
    GreenClaim,
    GreenHours,
    Household,
    MaskedSum,
    MeasuredTotal,
    Reward,
)
from api.protocol.accuracy import score
from api.protocol.calibration import NotCalibrated, PastDay
from api.protocol.calibration import calibrated as calibrate
from api.protocol.schemas import CalibratedPublic, DayOfHome, DaySummary, HomeOfDay, SumOfDay


def day_summary(community: Community, day: int) -> DaySummary | None:
    """What is known of a day; None where that is nothing."""
    past = past_days(community, day + 1)
    with community.sessions() as session:
        forecast, measured = session.get(CommunityTotal, day), session.get(MeasuredTotal, day)
        homes, hours = _homes(session, day, forecast), session.get(GreenHours, day)
        sums = session.scalars(select(MaskedSum).where(MaskedSum.day == day).order_by(MaskedSum.kind))
        running = [SumOfDay(kind=s.kind, phase=s.phase, members=len(s.members), reason=s.reason) for s in sums]
    if forecast is None and measured is None and not running and all(home.round is None for home in homes):
        return None
    known = {one.day: one for one in past}
    own, before = known.get(day), known.get(day - 1)
    calibrated = None if forecast is None else _calibrated(past, forecast, community.shape.horizon)
    return DaySummary(
        day=day, start=community.clock.start_of(day).isoformat(),
        forecast_wh=None if forecast is None else forecast.forecast,
        calibrated=calibrated,
        measured_wh=None if measured is None else measured.values,
        day_before_wh=None if before is None else list(before.measured),
        accuracy=None if own is None else score(own, before, calibrated and calibrated.values_wh),
        homes=homes, sums=running, green_hours=None if hours is None else hours.weights,
    )  # fmt: skip


def _calibrated(past: list[PastDay], total: CommunityTotal, horizon: int) -> CalibratedPublic | None:
    try:
        return CalibratedPublic.of(calibrate(past, total.day, total.forecast, horizon))
    except NotCalibrated:
        return None


def _homes(session: Session, day: int, total: CommunityTotal | None) -> list[HomeOfDay]:
    """Every household that is enrolled, or was on that day."""
    shown = select(Forecast.household, Forecast.round, Forecast.proof_hash).where(Forecast.day == day)
    registered = {row.household: row for row in session.execute(shown)}
    claimed = set(session.scalars(select(Reward.household).where(Reward.day == day)))
    green = dict(session.execute(select(GreenClaim.household, GreenClaim.tier).where(GreenClaim.day == day)).all())
    enrolled = set(session.scalars(select(Household.address)))
    counted = set() if total is None else set(total.households)
    homes = []
    for address in sorted(enrolled | registered.keys()):
        row, is_in = registered.get(address), address in counted
        home = HomeOfDay(
            household=address, round=None if row is None else row.round,
            proof_hash=None if row is None else row.proof_hash, in_total=is_in, claimed=address in claimed,
            missing=_why_missing(row is not None, total is None or is_in), green_percent=green.get(address),
        )  # fmt: skip
        homes.append(home)
    return homes


def _why_missing(registered: bool, counted: bool) -> Literal["not-registered", "not-in-total"] | None:
    if not registered:
        return "not-registered"
    return None if counted else "not-in-total"


def days_of_home(community: Community, household: str, after: int, most: int) -> list[DayOfHome]:
    """The days that a household has forecast, the first so many after one."""
    with community.sessions() as session:
        own = select(Forecast.day).where(Forecast.household == household, Forecast.day > after)
        days = list(session.scalars(own.order_by(Forecast.day).limit(most)))
        reach = (days[0], days[-1]) if days else (0, -1)
        totals = select(CommunityTotal.day, CommunityTotal.households).where(CommunityTotal.day.between(*reach))
        counted = {row.day for row in session.execute(totals) if household in row.households}
        paid = select(Reward.day).where(Reward.household == household, Reward.day.between(*reach))
        claimed = set(session.scalars(paid))
        shares = select(GreenClaim.day, GreenClaim.tier).where(
            GreenClaim.household == household, GreenClaim.day.between(*reach)
        )
        green = dict(session.execute(shares).all())
    return [
        DayOfHome(day=day, in_total=day in counted, claimed=day in claimed, green_percent=green.get(day))
        for day in days
    ]

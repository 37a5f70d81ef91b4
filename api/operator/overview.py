"""What a community's manager looks at: how each member has been doing, and what needs attention."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.operator.calibrated import past_days
from api.operator.community import Community
from api.operator.database.tables import CommunityTotal, Forecast, Household, MaskedSum, MeasuredTotal
from api.operator.retraining import drift_began, retrainings
from api.protocol.calibration import PastDay
from data.day import LAST_DAY
from fl.store import RoundStore

_WEEK = 7
_MANY_MISSED = 2
_FEWEST_IN_TOTAL = 3
_MEASURED_AFTER_DAYS = 2  # a day ends a day after it starts, and its sum takes a day at most


class MemberOverview(BaseModel):
    """A member: its gateway's name where the settings have one, its last forecast, days missed of the last week."""

    home: str | None
    household: str
    meter: str
    last_day: int | None
    missed_of_last_7: int


class Alert(BaseModel):
    """Something that needs attention; which of the other fields there are depends on `code`."""

    code: Literal[
        "never", "missed", "sum-failed", "no-total", "no-measured", "model-drift", "retraining", "retrained"
    ]
    household: str | None = None
    day: int | None = None
    count: int | None = None
    kind: str | None = None
    reason: str | None = None


def members(community: Community) -> list[MemberOverview]:
    """Every enrolled household, by its gateway's name."""
    names = {member.household: member.home for member in community.config.community.members}
    with community.sessions() as session:
        week = _last_week(session)
        last = dict(
            session.execute(select(Forecast.household, func.max(Forecast.day)).group_by(Forecast.household)).all()
        )
        recent = select(Forecast.household, func.count()).where(Forecast.day.in_(week)).group_by(Forecast.household)
        done = dict(session.execute(recent).all())
        rows = session.scalars(select(Household).order_by(Household.address)).all()
    found = [
        MemberOverview(
            home=names.get(row.address),
            household=row.address,
            meter=row.meter,
            last_day=last.get(row.address),
            missed_of_last_7=len(week) - done.get(row.address, 0),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.home is None, one.home or one.household))


def alerts(community: Community) -> list[Alert]:
    """What needs attention of the last seven days that anybody has forecast."""
    found = []
    for one in members(community):
        if one.last_day is None:
            found.append(Alert(code="never", household=one.household))
        elif one.missed_of_last_7 >= _MANY_MISSED:
            found.append(Alert(code="missed", household=one.household, count=one.missed_of_last_7))
    with community.sessions() as session:
        week = _last_week(session)
        failed = select(MaskedSum).where(MaskedSum.day.in_(week), MaskedSum.phase == "failed").order_by(MaskedSum.day)
        found += [Alert(code="sum-failed", day=s.day, kind=s.kind, reason=s.reason) for s in session.scalars(failed)]
        counts = select(Forecast.day, func.count()).where(Forecast.day.in_(week)).group_by(Forecast.day)
        enough = {day for day, count in session.execute(counts) if count >= _FEWEST_IN_TOTAL}
        opened = set(session.scalars(select(CommunityTotal.day).where(CommunityTotal.day.in_(week))))
        measured = set(session.scalars(select(MeasuredTotal.day).where(MeasuredTotal.day.in_(week))))
    newest = max(week, default=0)
    for day in week:
        if day in enough - opened and day < newest:
            found.append(Alert(code="no-total", day=day))
        elif day in opened - measured and day <= newest - _MEASURED_AFTER_DAYS:
            found.append(Alert(code="no-measured", day=day))
    return found + training_alerts(community, past_days(community, LAST_DAY + 1))


def training_alerts(community: Community, past: Sequence[PastDay]) -> list[Alert]:
    """A training again that is going on; or that the model no longer fits, and whether it was trained again since."""
    folder = community.folder / "rounds"
    for last in retrainings(folder)[-1:]:
        if max(RoundStore(folder).rounds(), default=0) < last.until:
            return [Alert(code="retraining", day=last.since, count=last.until)]
        drifting = drift_alerts(past)
        if drifting and past[-1].day - last.day < community.config.federation.retraining.at_least_days:
            return [Alert(code="retrained", day=last.since, count=last.until)]
    return drift_alerts(past)


def drift_alerts(past: Sequence[PastDay]) -> list[Alert]:
    """An alert where the newest totals say that the model no longer fits (`forecasting.drift`), and since when."""
    since = drift_began(past)
    return [] if since is None else [Alert(code="model-drift", day=since)]


def members_csv(community: Community) -> bytes:
    """The members as a table (RFC 4180)."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = list(MemberOverview.model_fields)
    writer.writerow(names)
    writer.writerows([getattr(one, name) for name in names] for one in members(community))
    return text.getvalue().encode()


def _last_week(session: Session) -> list[int]:
    """The last seven days that anybody has forecast, in order."""
    days = select(Forecast.day).distinct().order_by(Forecast.day.desc()).limit(_WEEK)
    return sorted(session.scalars(days))

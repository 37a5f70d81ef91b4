"""Community days: the opened total of the proven forecasts, as numbers and as a picture."""

from __future__ import annotations

import io

import numpy as np
from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import select

from api.database import CommunityTotal
from api.demo import day_picture
from api.deps import CommunityDep, DayParam
from api.errors import ApiError

router = APIRouter(prefix="/days", tags=["days"])


class DayForecast(BaseModel):
    """The community's forecast: 24 hourly totals (Wh) from `start` (UTC), with what opens the commitments' sum."""

    day: int
    start: str
    values_wh: list[int]
    blinding: str
    households: list[str]


@router.get("")
def list_days(community: CommunityDep) -> list[int]:
    """Days with a community forecast."""
    with community.sessions() as session:
        return list(session.scalars(select(CommunityTotal.day).order_by(CommunityTotal.day)))


def _total(community: CommunityDep, day: int) -> CommunityTotal:
    with community.sessions() as session:
        row = session.get(CommunityTotal, day)
    if row is None:
        raise ApiError("no-forecast", f"there is no community forecast for day {day}", 404)
    total: CommunityTotal = row
    return total


@router.get("/{day}/forecast")
def forecast(day: DayParam, community: CommunityDep) -> DayForecast:
    """The total and its opening: sum the commitments of these households and compare."""
    row = _total(community, day)
    return DayForecast(
        day=day, start=community.clock.start_of(day).isoformat(), values_wh=row.values, blinding=row.blinding,
        households=row.households,
    )  # fmt: skip


@router.get("/{day}/forecast.svg", response_class=Response)
def picture(day: DayParam, community: CommunityDep) -> Response:
    """The total as a picture."""
    row = _total(community, day)
    out = io.BytesIO()
    figure = day_picture(np.array(row.values), None, day, community.config.data.day_start_utc)
    figure.savefig(out, format="svg")
    return Response(out.getvalue(), media_type="image/svg+xml")

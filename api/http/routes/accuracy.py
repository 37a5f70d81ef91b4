"""How good the forecasts were over time, beside the naive one."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response

from api.http.conditional import NOT_MODIFIED, Answer
from api.http.deps import CommunityDep, KeptDep, WorkDep
from api.http.errors import refusals
from api.operator.calibrated import past_days
from api.operator.community import Community
from api.protocol.accuracy import DayAccuracy, accuracy_of
from data.day import LAST_DAY

router = APIRouter(tags=["days"])


@router.get("/accuracy", response_model=list[DayAccuracy], responses=NOT_MODIFIED | refusals({429: ["busy"]}))
async def accuracy(request: Request, community: CommunityDep, work: WorkDep, kept: KeptDep) -> Response:
    """Every day whose totals are known: the error of the sum, of the calibrated forecast, and of the day before."""
    return await kept.answer(request, work.calibrations, _accuracy, community)


def _accuracy(community: Community) -> Answer:
    days = accuracy_of(past_days(community, LAST_DAY + 1), community.shape.horizon)
    return Answer(json.dumps([day.model_dump() for day in days], separators=(",", ":")).encode())

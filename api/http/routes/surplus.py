"""Surplus hours by day: when the community is forecast to feed in more than it takes. Nothing here is of a member."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request, Response

from api.http.conditional import NOT_MODIFIED, Answer
from api.http.deps import CSV, CommunityDep, DayParam, JSONBytes
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterDay, LimitQuery, page
from api.operator.community import Community
from api.operator.statements import surplus_csv
from api.operator.surplus_days import FILE, SurplusDays
from api.protocol.schemas import SurplusHours
from data.errors import DamagedFile

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/surplus", tags=["shared energy"])
NO_DAY = {404: ["no-surplus"]}


@router.get("")
def list_surplus_days(
    community: CommunityDep, request: Request, response: Response, after: AfterDay = -1, limit: LimitQuery = MOST
) -> list[int]:
    """Days of which the surplus hours are known, in order."""
    found = [day for day in _days(community).days() if day > after][: limit + 1]
    return page(found, limit, lambda day: day, request, response)


@router.get("/{day}", response_model=SurplusHours, responses=NOT_MODIFIED | refusals(NO_DAY))
def surplus_of_day(day: DayParam, community: CommunityDep, request: Request) -> Response:
    """A day's forecast load and export, both sums of proven forecasts, and the hours of surplus."""
    return Answer(_hours_of(community, day).model_dump_json().encode()).to(request)


@router.get("/{day}/hours.csv", response_class=CSV, responses=NOT_MODIFIED | refusals(NO_DAY))
def surplus_as_csv(day: DayParam, community: CommunityDep, request: Request) -> Response:
    """The same as a table, times in UTC."""
    table = surplus_csv(_hours_of(community, day))
    return Answer(table, CSV.media_type, name=f"surplus-{day}.csv").to(request)


@router.get("/{day}/surplus.json", response_class=JSONBytes, responses=NOT_MODIFIED | refusals(NO_DAY))
def surplus_file(day: DayParam, community: CommunityDep, request: Request) -> Response:
    """The file to audit (`wattproof audit-surplus`): both sums with every proof behind them."""
    _hours_of(community, day)
    path = _days(community).file(day)
    if path is None:
        raise _unknown(day)
    return Answer(path.read_bytes(), name=f"{FILE.removesuffix('.json')}-{day}.json").to(request)


def _days(community: Community) -> SurplusDays:
    return SurplusDays(community.config.api.surplus_dir, community.clock)


def _hours_of(community: Community, day: int) -> SurplusHours:
    """Raises ApiError: the hours are not known here, or their file is damaged."""
    try:
        found = _days(community).of(day)
    except DamagedFile as problem:
        _log.error("a day's surplus hours are damaged", extra={"reason": str(problem)})
        message = f"the surplus hours of day {day} are damaged: the server's log names the file and the remedy"
        raise ApiError("internal", message, 500) from None
    if found is None:
        raise _unknown(day)
    return found


def _unknown(day: int) -> ApiError:
    return ApiError("no-surplus", f"the surplus hours of day {day} are not known here", 404)

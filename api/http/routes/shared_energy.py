"""Settled periods of shared energy: totals by hour and by period. Nothing here is of a single member."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.http.conditional import NOT_MODIFIED, Answer
from api.http.deps import CSV, CommunityDep
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, LimitQuery, page
from api.operator.community import Community
from api.operator.settled_periods import NAME, SettledPeriods
from api.operator.statements import hours_csv
from api.protocol.schemas import DamagedPeriod, SharedEnergyHours, SharedEnergyPeriod
from data.errors import DamagedFile

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/shared-energy", tags=["shared energy"])
PeriodParam = Annotated[
    str, Path(pattern=NAME, description="a month (2017-05), or the first and last day (2017-05-01..2017-05-14)")
]
AfterPeriod = Annotated[str, Query(pattern=f"^$|{NAME}", description="only periods after this one")]
NO_PERIOD = {404: ["no-settlement"]}


@router.get("")
def list_periods(
    community: CommunityDep, request: Request, response: Response, after: AfterPeriod = "", limit: LimitQuery = MOST
) -> list[SharedEnergyPeriod | DamagedPeriod]:
    """The settled periods in the order of time: what was taken, fed in and shared in each, and what is left over.

    A period whose file is damaged is named as such, and the others are listed."""
    periods = settled_periods(community)
    names = [name for name in periods.names() if name > after][: limit + 1]
    return [_listed(community, name) for name in page(names, limit, lambda name: name, request, response)]


def _listed(community: Community, name: str) -> SharedEnergyPeriod | DamagedPeriod:
    try:
        return SharedEnergyPeriod.model_validate(hours_of(community, name).model_dump(exclude={"hours"}))
    except ApiError as problem:
        return DamagedPeriod(period=name, problem=str(problem))


@router.get("/{period}", response_model=SharedEnergyHours, responses=NOT_MODIFIED | refusals(NO_PERIOD))
def period_by_hour(period: PeriodParam, community: CommunityDep, request: Request) -> Response:
    """A settled period hour by hour: what all members took and fed in, and what of it was shared."""
    return Answer(hours_of(community, period).model_dump_json().encode()).to(request)


@router.get("/{period}/hours.csv", response_class=CSV, responses=NOT_MODIFIED | refusals(NO_PERIOD))
def hours_as_csv(period: PeriodParam, community: CommunityDep, request: Request) -> Response:
    """The same as a table, times in UTC."""
    table = hours_csv(hours_of(community, period))
    return Answer(table, CSV.media_type, name=f"shared-energy-{period}.csv").to(request)


def settled_periods(community: Community) -> SettledPeriods:
    return SettledPeriods(community.config.api.settlements_dir, community.clock)


def hours_of(community: Community, period: str) -> SharedEnergyHours:
    """Raises ApiError: it was not settled here, or its file is damaged."""
    try:
        found = settled_periods(community).of(period)
    except DamagedFile as problem:
        _log.error("a settlement is damaged", extra={"reason": str(problem)})
        message = f"the settlement of {period} is damaged: the server's log names the file and the remedy"
        raise ApiError("internal", message, 500) from None
    if found is None:
        raise ApiError("no-settlement", f"no period {period} was settled here", 404)
    return found

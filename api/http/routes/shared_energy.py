"""Settled periods of shared energy: totals by hour and by period. Nothing here is of a single member."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api.http.conditional import NOT_MODIFIED, Answer
from api.http.deps import CSV, REPEATED, CommunityDep, JSONBytes, WorkDep
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, LimitQuery, page
from api.operator.community import Community
from api.operator.open_periods import OpenPeriods, ShareRefused, side_of
from api.operator.settled_periods import NAME, SettledPeriods
from api.operator.statements import hours_csv
from api.protocol.period import Side
from api.protocol.schemas import (
    DamagedPeriod,
    OpenPeriodPublic,
    SharedEnergyHours,
    SharedEnergyPeriod,
    SharePath,
    SharesIn,
)
from api.protocol.settlement import Share
from data.errors import DamagedFile

_log = logging.getLogger(__name__)
router = APIRouter(prefix="/shared-energy", tags=["shared energy"])
PeriodParam = Annotated[
    str, Path(pattern=NAME, description="a month (2017-05), or the first and last day (2017-05-01..2017-05-14)")
]
AfterPeriod = Annotated[str, Query(pattern=f"^$|{NAME}", description="only periods after this one")]
NO_PERIOD = {404: ["no-settlement"]}
NOT_OPEN = {404: ["no-open-period"]}


class Taken(BaseModel):
    """The sides of which a member's share was taken."""

    period: str
    sides: list[Side]


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


@router.get("/open")
def open_periods(community: CommunityDep) -> list[OpenPeriodPublic]:
    """Periods that members' gateways prove their shares of, closed ones too: a late share joins the settlement."""
    return [
        OpenPeriodPublic(
            period=one.name, first_day=one.first_day, last_day=one.last_day, missing=one.missing,
            closes_at=one.closes_at, is_closed=one.is_closed,
        )
        for one in OpenPeriods(community).all()
    ]  # fmt: skip


@router.get("/{period}/terms", response_class=JSONBytes, responses=NOT_MODIFIED | refusals(NOT_OPEN))
def period_terms(period: PeriodParam, community: CommunityDep, request: Request) -> Response:
    """What shares of a period are proven of: signed days, totals, key and meters; the settlement without a share."""
    with _refusing():
        return Answer(OpenPeriods(community).terms(period)).to(request)


@router.post(
    "/{period}/shares", status_code=201,
    responses=REPEATED | refusals({
        403: ["not-in-period"], 404: NOT_OPEN[404], 409: ["share-exists"],
        422: ["malformed-request", "malformed-proof", "invalid-proof", "invalid-statement"], 429: ["busy"],
    }),
)  # fmt: skip
async def post_shares(
    period: PeriodParam, body: SharesIn, response: Response, community: CommunityDep, work: WorkDep
) -> Taken:
    """Take a member's shares of a period. The proof says that they are the member's; the first ones stay.

    The same shares again get the first answer, with 200.
    """
    shares = {side_of(one.side): Share(one.share_wh, bytes.fromhex(one.proof[2:])) for one in body.shares}
    if len(shares) < len(body.shares):
        raise ApiError("malformed-request", "a member has one share on each side", 422)
    periods, household = OpenPeriods(community), to_checksum_address(body.household)
    with _refusing():
        is_new = bool(await run_in_threadpool(periods.new, period, household, shares))
        if is_new:
            is_new = await work.shares.run(periods.take, period, household, shares, work.share_checker.check_shares)
    response.status_code = 201 if is_new else 200
    return Taken(period=period, sides=list(shares))


@router.get("/{period}/paths/{leaf}", responses=refusals({404: ["no-share"]}))
def path_of_share(
    period: PeriodParam,
    leaf: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$", description="the share's leaf in the tree")],
    community: CommunityDep,
) -> SharePath:
    """How a settled share leads to the root, for who knows its leaf: its member, and who has the file."""
    try:
        found = settled_periods(community).path(period, bytes.fromhex(leaf[2:]))
    except DamagedFile as problem:
        raise _damaged(period, problem) from None
    if found is None:
        raise ApiError("no-share", f"no such share is in the settlement of {period}", 404)
    root, beside = found
    return SharePath(root="0x" + root.hex(), path=["0x" + node.hex() for node in beside])


@contextmanager
def _refusing() -> Iterator[None]:
    statuses = {"no-open-period": 404, "not-in-period": 403, "share-exists": 409}
    try:
        yield
    except ShareRefused as refused:
        raise ApiError(refused.code, str(refused), statuses[refused.code]) from None


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
        raise _damaged(period, problem) from None
    if found is None:
        raise ApiError("no-settlement", f"no period {period} was settled here", 404)
    return found


def _damaged(period: str, problem: DamagedFile) -> ApiError:
    _log.error("a settlement is damaged", extra={"reason": str(problem)})
    message = f"the settlement of {period} is damaged: the server's log names the file and the remedy"
    return ApiError("internal", message, 500)

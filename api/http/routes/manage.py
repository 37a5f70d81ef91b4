"""For managers and auditors: members by the names of their gateways, and what needs attention."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.http.conditional import Answer
from api.http.deps import CSV, CommunityDep, JSONBytes
from api.http.errors import ApiError, refusals
from api.http.routes.session import MANAGERS_ONLY, ManagerDep
from api.http.routes.shared_energy import NO_PERIOD, PeriodParam, settled_periods
from api.operator import overview
from api.operator.overview import Alert, MemberOverview

router = APIRouter(prefix="/manage", tags=["manage"])
_PRIVATE = "private, no-store"


@router.get("/members", responses=refusals(MANAGERS_ONLY))
def members(_who: ManagerDep, response: Response, community: CommunityDep) -> list[MemberOverview]:
    """Every member, by the name of its gateway."""
    response.headers["cache-control"] = _PRIVATE
    return overview.members(community)


@router.get("/members.csv", response_class=CSV, responses=refusals(MANAGERS_ONLY))
def members_as_csv(_who: ManagerDep, request: Request, community: CommunityDep) -> Response:
    """The members as a table."""
    return Answer(overview.members_csv(community), CSV.media_type, _PRIVATE, "members.csv").to(request)


@router.get("/alerts", responses=refusals(MANAGERS_ONLY))
def alerts(_who: ManagerDep, response: Response, community: CommunityDep) -> list[Alert]:
    """What needs attention."""
    response.headers["cache-control"] = _PRIVATE
    return overview.alerts(community)


@router.get(
    "/shared-energy/{period}/settlement.json", response_class=JSONBytes, responses=refusals(MANAGERS_ONLY | NO_PERIOD)
)
def settlement(_who: ManagerDep, period: PeriodParam, request: Request, community: CommunityDep) -> Response:
    """A settled period as a file, with every member's shares and their proofs: for `wattproof audit-settlement`."""
    path = settled_periods(community).file(period)
    if path is None:
        raise ApiError("no-settlement", f"no period {period} was settled here", 404)
    return Answer(path.read_bytes(), JSONBytes.media_type, _PRIVATE, f"settlement-{period}.json").to(request)

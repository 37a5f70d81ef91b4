"""Green shares: how green each day's hours are, and what households have proven and were paid for it."""

from __future__ import annotations

from functools import partial

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.config.tracing import tracer
from api.http.admission import check_green_share
from api.http.conditional import FIXED, NOT_MODIFIED, Answer
from api.http.deps import (
    BUNDLE_ANSWER,
    BUNDLE_BODY,
    REPEATED,
    AddressParam,
    BundleBody,
    CommunityDep,
    DayParam,
    JSONBytes,
    LedgerDep,
    WorkDep,
)
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterAddress, LimitQuery, page
from api.http.repeats import taken_or_checked
from api.http.routes.claims import Call
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.tables import GreenClaim
from api.operator.green_shares import green_day_of, greens_of_day, hours_of_day, kept_green, settle_green
from api.protocol import bundle as bundles
from api.protocol.schemas import GreenHoursPublic, GreenSharePublic
from rewards.errors import AlreadyClaimed
from rewards.green import green_call, green_contract
from rewards.green_rule import base_of
from rewards.sent import transactions_sent

router = APIRouter(prefix="/green-shares", tags=["green shares"])
_OF_BUNDLES = {403: ["other-community"], 404: ["unknown-household"]}
_UNPROVEN = ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter"]


@router.post(
    "", status_code=201, openapi_extra=BUNDLE_BODY,
    responses=REPEATED | refusals(_OF_BUNDLES | {
        409: [
            "already-claimed", "no-green-hours", "no-skill-claim", "not-green", "day-not-over", "late-claim",
            "paused", "stale-transaction", "chain-refused",
        ],
        422: _UNPROVEN,
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def claim(
    bundle: BundleBody,
    request: Request,
    response: Response,
    community: CommunityDep,
    chain_session: LedgerDep,
    work: WorkDep,
) -> GreenSharePublic:
    """Check the bundle of a green share and have the contract take it for its household, whoever submits it.

    The same bundle again gets the first answer, with 200.
    """
    green = _green(bundle)
    taken_before, check = partial(_taken_before, green, community), partial(check_green_share, community, green)
    before = await run_in_threadpool(taken_or_checked, taken_before, check)
    if before is not None:
        response.status_code = 200
        return before
    of = community.home_day(green.household, green.context.day)
    with tracer().step("take green share", of, request.headers.get("traceparent", "")) as taking:
        with tracer().step("check green proof", of):
            await work.proofs.claims.run(work.checker.check, green)
        settled = work.chain.claims.run(_settled, green, community, chain_session, taking.traceparent)
        taken, response.status_code = await settled
    return taken


def _green(bundle: bundles.Bundle) -> bundles.GreenBundle:
    if not isinstance(bundle, bundles.GreenBundle):
        raise ApiError("malformed-proof", "this is not the bundle of a green share", 422)
    return bundle


def _taken_before(bundle: bundles.GreenBundle, community: Community) -> GreenSharePublic | None:
    """The first answer to this very bundle, byte for byte, if it was taken before."""
    kept = kept_green(community, bundle.household, bundle.context.day)
    return None if kept is None or kept.bundle != bundles.encode(bundle) else _public(kept)


def _settled(
    bundle: bundles.GreenBundle, community: Community, chain_session: ChainSession, traceparent: str
) -> tuple[GreenSharePublic, int]:
    of = community.home_day(bundle.household, bundle.context.day)
    try:
        check_green_share(community, bundle)  # the same claim may have been ahead of it in the queue
        with tracer().step("green share on chain", of, traceparent) as claiming, chain_session.lock:
            with transactions_sent() as sent:
                settle_green(community, chain_session, bundle)
            claiming.set(transaction=" ".join(sent))
    except (ApiError, AlreadyClaimed):
        taken = _taken_before(bundle, community)
        if taken is None:
            raise
        return taken, 200
    kept = kept_green(community, bundle.household, bundle.context.day)
    assert kept is not None  # just now
    return _public(kept), 201


def _public(kept: GreenClaim) -> GreenSharePublic:
    return GreenSharePublic(
        household=kept.household, day=kept.day, tier=kept.tier, points=kept.points, amount=kept.amount,
        proof_hash=kept.proof_hash,
    )  # fmt: skip


@router.post(
    "/call", openapi_extra=BUNDLE_BODY,
    responses=refusals(_OF_BUNDLES | {
        409: ["already-claimed", "no-green-hours", "not-green", "chain-refused"], 422: _UNPROVEN, 429: ["busy"],
        503: ["chain-unreachable", "database-unreachable"],
    }),
)  # fmt: skip
async def call(bundle: BundleBody, community: CommunityDep, chain_session: LedgerDep, work: WorkDep) -> Call:
    """The call that claims the green share, for whoever sends it from an account of their own; it is not sent."""
    green = _green(bundle)
    await run_in_threadpool(check_green_share, community, green)
    return await work.chain.reads.run(_call, green, chain_session)


def _call(bundle: bundles.GreenBundle, chain_session: ChainSession) -> Call:
    contracts = chain_session.contracts
    with chain_session.turn:
        data = green_call(contracts, green_day_of(bundle))._encode_transaction_data()
        where = str(green_contract(contracts).address)
        return Call(to=where, data=str(data), chain_id=chain_session.chain.chain_id)


@router.get("/{day}")
def of_day(
    day: DayParam, community: CommunityDep, request: Request, response: Response, after: AfterAddress = "",
    limit: LimitQuery = MOST,
) -> list[GreenSharePublic]:  # fmt: skip
    """The day's green shares, by household."""
    shares = [_public(kept) for kept in greens_of_day(community, day) if kept.household > after]
    return page(shares[: limit + 1], limit, lambda one: one.household, request, response)


@router.get("/{day}/hours", responses=refusals({404: ["no-green-hours"]}))
def hours(day: DayParam, community: CommunityDep) -> GreenHoursPublic:
    """How green each of the day's hours is, as registered before it started."""
    weights = hours_of_day(community, day)
    if weights is None:
        raise ApiError("no-green-hours", f"no green hours of day {day} are registered", 404)
    start = community.clock.start_of(day).isoformat()
    return GreenHoursPublic(day=day, start=start, weights=list(weights), base=base_of(weights))


@router.get(
    "/{household}/{day}/proof", response_class=JSONBytes,
    responses=BUNDLE_ANSWER | NOT_MODIFIED | refusals({404: ["no-claim"]}),
)  # fmt: skip
def proof(household: AddressParam, day: DayParam, request: Request, community: CommunityDep) -> Response:
    """The bundle of a green share that was taken, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    kept = kept_green(community, known, day)
    if kept is None or kept.bundle is None:
        raise ApiError("no-claim", f"no green share of {known} for day {day} was taken here", 404)
    return Answer(kept.bundle, cache_control=FIXED, name=f"{known}-{day}.green.wattproof.json").to(request)

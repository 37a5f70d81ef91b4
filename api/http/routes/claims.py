"""Claims: a household asks to be paid for a proven day; anybody can read what was paid for."""

from __future__ import annotations

from functools import partial

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from api.config.tracing import tracer
from api.http.admission import check_claim
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
from api.operator.chain_session import ChainSession, claim_of
from api.operator.community import Community
from api.operator.paid_claims import kept_claim, paid_on, settle
from api.protocol import bundle as bundles
from api.protocol.schemas import ClaimPublic
from rewards.claims import claim_call
from rewards.errors import AlreadyClaimed
from rewards.sent import transactions_sent

router = APIRouter(prefix="/claims", tags=["claims"])


class Taken(BaseModel):
    """A claim that the contract has taken: buckets of 100 Wh as proven, and those that count under the meter's caps.
    What they pay is fixed when the day's claims are closed."""

    household: str
    day: int
    buckets: int
    granted: int


@router.post(
    "", status_code=201, openapi_extra=BUNDLE_BODY,
    responses=REPEATED | refusals({
        403: ["other-community"],
        404: ["unknown-household"],
        409: [
            "already-claimed", "no-forecast", "day-not-over", "late-claim", "year-cap", "paused", "stale-transaction",
            "chain-refused",
        ],
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def claim(
    bundle: BundleBody, request: Request, response: Response, community: CommunityDep, chain_session: LedgerDep,
    work: WorkDep,
) -> Taken:  # fmt: skip
    """Check a claim bundle and have the contract take it for its household, whoever submits it.

    The same bundle again gets the first answer, with 200.
    """
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a claim bundle", 422)
    taken_before, check = partial(_taken_before, bundle, community), partial(check_claim, community, bundle)
    before = await run_in_threadpool(taken_or_checked, taken_before, check)
    if before is not None:
        response.status_code = 200
        return before
    of = community.home_day(bundle.household, bundle.context.day)
    with tracer().step("take claim", of, request.headers.get("traceparent", "")) as taking:
        with tracer().step("check skill proof", of):
            await work.proofs.claims.run(work.checker.check, bundle)
        settled = work.chain.claims.run(_settled, bundle, community, chain_session, taking.traceparent)
        taken, response.status_code = await settled
    return taken


def _taken_before(bundle: bundles.ClaimBundle, community: Community) -> Taken | None:
    """The first answer to this very bundle, byte for byte, if it was taken before."""
    day = bundle.context.day
    if kept_claim(community, bundle.household, day) != bundles.encode(bundle):
        return None
    rewards = [r for r in paid_on(community, day) if r.household == bundle.household]
    return next((_taken(r.household, day, r.buckets, r.granted) for r in rewards), None)


def _taken(household: str, day: int, buckets: int, granted: int) -> Taken:
    return Taken(household=household, day=day, buckets=buckets, granted=granted)


def _settled(
    bundle: bundles.ClaimBundle, community: Community, chain_session: ChainSession, traceparent: str
) -> tuple[Taken, int]:
    of = community.home_day(bundle.household, bundle.context.day)
    try:
        check_claim(community, bundle)  # the same claim may have been ahead of it in the queue
        with tracer().step("claim on chain", of, traceparent) as claiming, chain_session.lock:
            with transactions_sent() as sent:
                granted = settle(community, chain_session, bundle)
            claiming.set(transaction=" ".join(sent))
    except (ApiError, AlreadyClaimed):
        taken = _taken_before(bundle, community)
        if taken is None:
            raise
        return taken, 200
    return _taken(bundle.household, bundle.context.day, granted.buckets, granted.granted), 201


class Call(BaseModel):
    """A contract's call, for a wallet to sign and send: whom, with what data, on which chain."""

    to: str
    data: str
    chain_id: int


@router.post(
    "/call", openapi_extra=BUNDLE_BODY,
    responses=refusals({
        403: ["other-community"], 404: ["unknown-household"], 409: ["already-claimed", "no-forecast"],
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter"], 429: ["busy"],
        503: ["chain-unreachable", "database-unreachable"],
    }),
)  # fmt: skip
async def call(bundle: BundleBody, community: CommunityDep, chain_session: LedgerDep, work: WorkDep) -> Call:
    """The call that claims the day, for whoever sends it from an account of their own. Nothing is sent here."""
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a claim bundle", 422)
    await run_in_threadpool(check_claim, community, bundle)
    return await work.chain.reads.run(_call, bundle, chain_session)


def _call(bundle: bundles.ClaimBundle, chain_session: ChainSession) -> Call:
    contracts = chain_session.contracts
    with chain_session.turn:
        data = claim_call(contracts, claim_of(contracts, bundle))._encode_transaction_data()
        return Call(to=str(contracts.rewards.address), data=str(data), chain_id=chain_session.chain.chain_id)


@router.get("/{day}")
def of_day(
    day: DayParam, community: CommunityDep, request: Request, response: Response, after: AfterAddress = "",
    limit: LimitQuery = MOST,
) -> list[ClaimPublic]:  # fmt: skip
    """The day's claims, by household."""
    claims = [
        ClaimPublic(household=r.household, day=r.day, buckets=r.buckets, proof_hash=r.proof_hash)
        for r in paid_on(community, day)
        if r.household > after
    ]
    return page(claims[: limit + 1], limit, lambda c: c.household, request, response)


@router.get(
    "/{household}/{day}/proof", response_class=JSONBytes,
    responses=BUNDLE_ANSWER | NOT_MODIFIED | refusals({404: ["no-claim"]}),
)  # fmt: skip
def proof(household: AddressParam, day: DayParam, request: Request, community: CommunityDep) -> Response:
    """The bundle of a paid claim, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    content = kept_claim(community, known, day)
    if content is None:
        raise ApiError("no-claim", f"no claim of {known} for day {day} was paid here", 404)
    return Answer(content, cache_control=FIXED, name=f"{known}-{day}.claim.wattproof.json").to(request)

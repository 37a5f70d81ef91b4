"""Claims: a household asks to be paid for a proven day; anybody can read what was paid for."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

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
from api.operator.chain_session import ChainSession, claim_of
from api.operator.community import Community
from api.operator.paid_claims import kept_claim, paid_on, settle
from api.protocol import bundle as bundles
from api.protocol.schemas import ClaimPublic
from rewards.claims import claim_call
from rewards.errors import AlreadyClaimed

router = APIRouter(prefix="/claims", tags=["claims"])


class Paid(BaseModel):
    """A paid claim; amount in 10^-18 tokens."""

    household: str
    day: int
    tier: int
    amount: str


@router.post(
    "", status_code=201, openapi_extra=BUNDLE_BODY,
    responses=REPEATED | refusals({
        403: ["other-community"],
        404: ["unknown-household"],
        409: ["already-claimed", "no-forecast", "day-not-over", "stale-transaction", "chain-refused"],
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def claim(
    bundle: BundleBody, response: Response, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> Paid:
    """Check a claim bundle and have the contract pay its household, whoever submits it.

    The same bundle again gets the first answer, with 200.
    """
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a claim bundle", 422)
    before = await run_in_threadpool(_paid_before, bundle, community)
    if before is not None:
        response.status_code = 200
        return before
    await run_in_threadpool(check_claim, community, bundle)
    await work.proofs.claims.run(work.checker.check, bundle)
    paid, response.status_code = await work.chain.claims.run(_settled, bundle, community, chain_session)
    return paid


def _paid_before(bundle: bundles.ClaimBundle, community: Community) -> Paid | None:
    """The first answer to this very bundle, byte for byte, if it was paid before."""
    day = bundle.context.day
    if kept_claim(community, bundle.household, day) != bundles.encode(bundle):
        return None
    rewards = [r for r in paid_on(community, day) if r.household == bundle.household]
    return next((Paid(household=r.household, day=day, tier=r.tier, amount=r.amount) for r in rewards), None)


def _settled(bundle: bundles.ClaimBundle, community: Community, chain_session: ChainSession) -> tuple[Paid, int]:
    try:
        check_claim(community, bundle)  # the same claim may have been ahead of it in the queue
        with chain_session.lock:
            amount = settle(community, chain_session, bundle)
    except (ApiError, AlreadyClaimed):
        paid = _paid_before(bundle, community)
        if paid is None:
            raise
        return paid, 200
    return Paid(household=bundle.household, day=bundle.context.day, tier=bundle.tier, amount=str(amount)), 201


class Call(BaseModel):
    """A contract's call, for a wallet to sign and send: whom, with what data, on which chain."""

    to: str
    data: str
    chain_id: int


@router.post(
    "/call", openapi_extra=BUNDLE_BODY,
    responses=refusals({
        403: ["other-community"], 404: ["unknown-household"], 409: ["already-claimed"],
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
    data = claim_call(contracts, claim_of(bundle))._encode_transaction_data()
    with chain_session.turn:
        return Call(to=str(contracts.rewards.address), data=str(data), chain_id=chain_session.chain.chain_id)


@router.get("/{day}")
def of_day(
    day: DayParam, community: CommunityDep, request: Request, response: Response, after: AfterAddress = "",
    limit: LimitQuery = MOST,
) -> list[ClaimPublic]:  # fmt: skip
    """The day's paid claims, by household."""
    claims = [
        ClaimPublic(household=r.household, day=r.day, tier=r.tier, proof_hash=r.proof_hash)
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

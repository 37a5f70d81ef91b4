"""Claims: a household asks to be paid for a proven day, and anybody looks at what was paid for."""

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
    AddressParam,
    BundleBody,
    CommunityDep,
    DayParam,
    JSONBytes,
    LedgerDep,
    WorkDep,
)
from api.http.errors import ApiError, refusals
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.paid_claims import kept_claim, paid_on, settle
from api.protocol import bundle as bundles
from api.protocol.schemas import ClaimPublic

router = APIRouter(prefix="/claims", tags=["claims"])


class Paid(BaseModel):
    """A paid claim; amount in 10^-18 tokens."""

    household: str
    day: int
    tier: int
    amount: str


@router.post(
    "", status_code=201, openapi_extra=BUNDLE_BODY,
    responses=refusals({
        403: ["other-community"],
        404: ["unknown-household"],
        409: ["already-claimed", "no-forecast", "day-not-over", "stale-transaction", "chain-refused"],
        422: ["malformed-proof", "invalid-proof", "invalid-statement", "wrong-meter"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable", "not-ready"],
    }),
)  # fmt: skip
async def claim(bundle: BundleBody, community: CommunityDep, chain_session: LedgerDep, work: WorkDep) -> Paid:
    """Check a claim bundle and have the contract pay it to its household, whoever brings it."""
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a bundle of a claim", 422)
    await run_in_threadpool(check_claim, community, bundle)
    await work.proofs.claims.run(work.checker.check, bundle)
    amount = await work.chain.claims.run(_settled, bundle, community, chain_session)
    return Paid(household=bundle.household, day=bundle.context.day, tier=bundle.tier, amount=str(amount))


def _settled(bundle: bundles.ClaimBundle, community: Community, chain_session: ChainSession) -> int:
    check_claim(community, bundle)  # the same claim may have been before it in the queue
    with chain_session.lock:
        return settle(community, chain_session, bundle)


@router.get("/{day}")
def of_day(day: DayParam, community: CommunityDep) -> list[ClaimPublic]:
    """The day's paid claims."""
    return [
        ClaimPublic(household=r.household, day=r.day, tier=r.tier, proof_hash=r.proof_hash)
        for r in paid_on(community, day)
    ]


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

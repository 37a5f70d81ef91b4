"""Claims: a household asks to be paid for a proven day, and anybody looks at what was paid for."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Response
from pydantic import BaseModel

from api import bundle as bundles
from api.deps import BUNDLE_BODY, AddressParam, Body, CommunityDep, DayParam, LedgerDep
from api.errors import ApiError
from api.paid_claims import kept_claim, paid_on, settle

router = APIRouter(prefix="/claims", tags=["claims"])


class Paid(BaseModel):
    """A paid claim; amount in 10^-18 tokens."""

    household: str
    day: int
    tier: int
    amount: str


class ClaimPublic(BaseModel):
    """A claim that was paid: all that is shown of how good the household's forecast was is the tier (percent)."""

    household: str
    day: int
    tier: int
    proof_hash: str


@router.post("", status_code=201, openapi_extra=BUNDLE_BODY)
def claim(body: Body, community: CommunityDep, ledger: LedgerDep) -> Paid:
    """Check a claim bundle and have the contract pay it to its household, whoever brings it."""
    bundle = bundles.parse(body)
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a bundle of a claim", 422)
    if bundles.from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the claim speaks of another community", 403)
    with ledger.lock:
        amount = settle(community, ledger, bundle)
    return Paid(household=bundle.household, day=bundle.context.day, tier=bundle.tier, amount=str(amount))


@router.get("/{day}")
def of_day(day: DayParam, community: CommunityDep) -> list[ClaimPublic]:
    """The day's paid claims."""
    return [
        ClaimPublic(household=r.household, day=r.day, tier=r.tier, proof_hash=r.proof_hash)
        for r in paid_on(community, day)
    ]


@router.get("/{household}/{day}/proof", response_class=Response)
def proof(household: AddressParam, day: DayParam, community: CommunityDep) -> Response:
    """The bundle of a paid claim, to be checked with `wattproof verify`."""
    known = to_checksum_address(household)
    content = kept_claim(community, known, day)
    if content is None:
        raise ApiError("no-claim", f"no claim of {known} for day {day} was paid here", 404)
    name = f'attachment; filename="{known}-{day}.claim.wattproof.json"'
    return Response(content, media_type="application/json", headers={"Content-Disposition": name})

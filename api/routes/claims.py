"""Claims: a household asks to be paid for a proven day."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from api import bundle as bundles
from api.day import settle_claim
from api.deps import BUNDLE_BODY, Body, CommunityDep, LedgerDep
from api.errors import ApiError

router = APIRouter(prefix="/claims", tags=["claims"])


class Paid(BaseModel):
    """A paid claim; amount in 10^-18 tokens."""

    household: str
    day: int
    tier: int
    amount: str


@router.post("", status_code=201, openapi_extra=BUNDLE_BODY)
def claim(body: Body, community: CommunityDep, ledger: LedgerDep) -> Paid:
    """Check a claim bundle and have the contract pay it to its household, whoever brings it."""
    bundle = bundles.parse(body)
    if not isinstance(bundle, bundles.ClaimBundle):
        raise ApiError("malformed-proof", "this is not a bundle of a claim", 422)
    if bundles.from_hex(bundle.context.community) != community.config.community.identifier:
        raise ApiError("other-community", "the claim speaks of another community", 403)
    with ledger.lock:
        amount = settle_claim(community, ledger, bundle)
    return Paid(household=bundle.household, day=bundle.context.day, tier=bundle.tier, amount=str(amount))

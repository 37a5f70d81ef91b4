"""Personal heads: a household commits itself to one beside a round's model."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.database import Household
from api.day import pinned_head
from api.deps import AddressParam, CommunityDep, LedgerDep, RoundParam
from api.errors import ApiError
from api.relayed import decoded, sender_of

router = APIRouter(tags=["heads"])


class HeadIn(BaseModel):
    """The digest of a personal head, and the household's own signed transaction that pins it to a round."""

    round: int = Field(ge=1, lt=1 << 32)
    digest: str = Field(pattern="^0x[0-9a-f]{64}$")
    transaction: str


class HeadPublic(BaseModel):
    """A pinned head: its digest, and when it was pinned (UTC seconds since 1970)."""

    household: str
    round: int
    digest: str
    pinned_at: int


@router.post("/heads", status_code=201)
def pin(body: HeadIn, community: CommunityDep, ledger: LedgerDep) -> HeadPublic:
    """Pass the household's transaction on to the chain.

    Refusals: malformed-transaction, unknown-household, unknown-round, head-exists, stale-transaction.
    """
    raw = decoded(body.transaction)
    household = sender_of(raw)
    with community.sessions() as session:
        if session.get(Household, household) is None:
            raise ApiError("unknown-household", f"{household} is not enrolled", 404)
    registry = ledger.contracts.forecast_registry
    data = registry.encode_abi("pin_head", args=[body.round, bytes.fromhex(body.digest[2:])])
    with ledger.turn:
        kept = pinned_head(ledger.contracts, household, body.round)
        if kept is None or kept.digest.hex() != body.digest[2:]:  # else it is a repeat
            ledger.chain.relay(raw, str(registry.address), data, "pin_head")
    return head(household, body.round, ledger)


@router.get("/households/{address}/heads/{number}")
def head(address: AddressParam, number: RoundParam, ledger: LedgerDep) -> HeadPublic:
    """The personal head that a household has pinned to a round: in force on the days that start after that."""
    household = to_checksum_address(address)
    with ledger.turn:
        kept = pinned_head(ledger.contracts, household, number)
    if kept is None:
        raise ApiError("no-head", f"{household} has pinned no head to round {number}", 404)
    return HeadPublic(household=household, round=number, digest="0x" + kept.digest.hex(), pinned_at=kept.pinned_at)

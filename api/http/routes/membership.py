"""Membership: a household joins, leaves, comes back and burns its record by its own signature, relayed for free."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.http.deps import AddressParam, CommunityDep, LedgerDep, WorkDep
from api.http.errors import refusals
from api.operator import membership
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.protocol.calls import MembershipPublic
from rewards.consent import SignedStatement, Statement

router = APIRouter(prefix="/households", tags=["membership"])
_STEPS = {
    "enrolment": membership.enrol,
    "leaving": membership.let_leave,
    "coming-back": membership.readmit,
    "burning": membership.burn_record,
}


class StatementIn(BaseModel):
    """What a household says, until when that can be used (UTC seconds of the chain), and its signature (EIP-712)."""

    says: Statement
    deadline: int = Field(ge=0, lt=1 << 63)
    signature: str = Field(pattern="^0x[0-9a-f]{130}$")


@router.get("/{address}/membership", responses=refusals({429: ["busy"], 503: ["chain-unreachable"]}))
async def stands(
    address: AddressParam, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> MembershipPublic:
    """Whether a household is invited, enrolled or has left, and what its next statement must name."""
    return await work.chain.reads.run(_stands, to_checksum_address(address), community, chain_session)


def _stands(household: str, community: Community, chain_session: ChainSession) -> MembershipPublic:
    with chain_session.turn:
        facts = membership.where_it_stands(community, chain_session, household)
    return MembershipPublic(
        household=household, state=facts.state, chain_id=facts.chain_id, forecast_registry=facts.forecast_registry,
        household_nft=facts.household_nft, nonce=facts.nonce, chain_time=facts.now, has_record=facts.has_record,
    )  # fmt: skip


@router.post(
    "/{address}/membership",
    responses=refusals({
        403: ["forged-statement"],
        409: ["no-such-membership", "late-statement", "paused", "chain-refused"],
        422: ["malformed-request"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable"],
    }),
)  # fmt: skip
async def say(
    address: AddressParam, body: StatementIn, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> MembershipPublic:
    """Pass a household's statement on. One that leaves loses its rows here; a repeat changes nothing."""
    household = to_checksum_address(address)
    signed = SignedStatement(body.says, household, body.deadline, bytes.fromhex(body.signature[2:]))
    await work.chain.claims.run(_pass_on, signed, community, chain_session)
    return await work.chain.reads.run(_stands, household, community, chain_session)


def _pass_on(signed: SignedStatement, community: Community, chain_session: ChainSession) -> None:
    with chain_session.lock:
        _STEPS[signed.says](community, chain_session, signed)

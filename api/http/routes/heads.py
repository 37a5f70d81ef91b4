"""Personal heads: a household commits itself to one beside a round's model."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.http.deps import REPEATED, AddressParam, CommunityDep, LedgerDep, RoundParam, TransactionHex, WorkDep
from api.http.errors import ApiError, refusals
from api.http.raw_transactions import decoded, sender_of
from api.operator.chain_session import ChainSession, pinned_head
from api.operator.community import Community
from api.operator.database.members import member
from rewards.chain import check_call

router = APIRouter(tags=["heads"])


class HeadIn(BaseModel):
    """The digest of a personal head, and the household's own signed transaction that pins it to a round."""

    round: int = Field(ge=1, lt=1 << 32)
    digest: str = Field(pattern="^0x[0-9a-f]{64}$")
    transaction: TransactionHex


class HeadPublic(BaseModel):
    """A pinned head: its digest, and when it was pinned (UTC seconds since 1970)."""

    household: str
    round: int
    digest: str
    pinned_at: int


@router.post(
    "/heads", status_code=201,
    responses=REPEATED | refusals({
        404: ["unknown-household"],
        409: ["unknown-round", "head-exists", "stale-transaction", "chain-refused"],
        422: ["malformed-request", "malformed-transaction"],
        429: ["busy"],
        503: ["chain-unreachable", "chain-unwritable", "database-unreachable"],
    }),
)  # fmt: skip
async def pin(
    body: HeadIn, response: Response, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> HeadPublic:
    """Relay the household's transaction to the chain. A head that is pinned already is told so, with 200."""
    household, raw = await run_in_threadpool(_admitted, body, community, chain_session)
    pinned, response.status_code = await work.chain.registrations.run(_pin, body, household, raw, chain_session)
    return pinned


def _admitted(body: HeadIn, community: Community, chain_session: ChainSession) -> tuple[str, bytes]:
    raw = decoded(body.transaction)
    household = sender_of(raw)
    with community.sessions() as session:
        if member(session, household) is None:
            raise ApiError("unknown-household", f"{household} is not enrolled", 404)
    check_call(raw, str(chain_session.contracts.forecast_registry.address), _call(body, chain_session), "pin_head")
    return household, raw


def _call(body: HeadIn, chain_session: ChainSession) -> str:
    digest = bytes.fromhex(body.digest[2:])
    return str(chain_session.contracts.forecast_registry.encode_abi("pin_head", args=[body.round, digest]))


def _pin(body: HeadIn, household: str, raw: bytes, chain_session: ChainSession) -> tuple[HeadPublic, int]:
    with chain_session.turn:
        kept = pinned_head(chain_session.contracts, household, body.round)
        is_repeat = kept is not None and kept.digest.hex() == body.digest[2:]
        if not is_repeat:
            registry = str(chain_session.contracts.forecast_registry.address)
            chain_session.chain.relay(raw, registry, _call(body, chain_session), "pin_head")
    return _pinned(household, body.round, chain_session), 200 if is_repeat else 201


@router.get(
    "/households/{address}/heads/{number}",
    responses=refusals({404: ["no-head"], 429: ["busy"], 503: ["chain-unreachable"]}),
)
async def head(address: AddressParam, number: RoundParam, chain_session: LedgerDep, work: WorkDep) -> HeadPublic:
    """The personal head that a household has pinned to a round: in force on days that start after that."""
    return await work.chain.reads.run(_pinned, to_checksum_address(address), number, chain_session)


def _pinned(household: str, number: int, chain_session: ChainSession) -> HeadPublic:
    with chain_session.turn:
        kept = pinned_head(chain_session.contracts, household, number)
    if kept is None:
        raise ApiError("no-head", f"{household} has pinned no head to round {number}", 404)
    return HeadPublic(household=household, round=number, digest="0x" + kept.digest.hex(), pinned_at=kept.pinned_at)

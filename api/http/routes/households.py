"""Households: their public records."""

from __future__ import annotations

from typing import Any

from eth_utils.address import to_checksum_address
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import func, select

from api.http.deps import AddressParam, CommunityDep, LedgerDep, WorkDep
from api.http.errors import ApiError, refusals
from api.http.paging import MOST, AfterAddress, AfterDay, LimitQuery, page
from api.operator.chain_session import ChainSession
from api.operator.community import Community
from api.operator.database.members import member, meters_of
from api.operator.database.tables import Departure, Forecast, Household, Reward
from api.operator.day_summary import days_of_home
from api.protocol.schemas import DayOfHome, HouseholdPublic, MeterPublic
from rewards.claims import holdings

router = APIRouter(prefix="/households", tags=["households"])


class RewardsPublic(BaseModel):
    """What the chain holds for a household: tokens in 10^-18, the record's metadata."""

    address: str
    tokens: str
    record: dict[str, Any] | None


@router.get("")
def list_households(
    community: CommunityDep, request: Request, response: Response, after: AfterAddress = "", limit: LimitQuery = MOST
) -> list[HouseholdPublic]:
    """Households, by address."""
    here = Household.address.not_in(select(Departure.household)), Household.address > after
    chosen = select(Household).where(*here).order_by(Household.address).limit(limit + 1)
    with community.sessions() as session:
        proven = dict(session.execute(select(Forecast.household, func.count()).group_by(Forecast.household)).all())
        paid = dict(session.execute(select(Reward.household, func.count()).group_by(Reward.household)).all())
        households = [
            HouseholdPublic(
                address=r.address,
                meter=r.meter,
                meters=[
                    MeterPublic(first_day=one.first_day, meter=one.meter) for one in meters_of(session, r.address)
                ],
                forecasts=proven.get(r.address, 0),
                rewarded_days=paid.get(r.address, 0),
            )
            for r in session.scalars(chosen)
        ]
    return page(households, limit, lambda h: h.address, request, response)


class SigningPublic(BaseModel):
    """What a household's transaction must contain: its chain, the registry it calls, its account's nonce, a fair fee.

    A household has pinned chain and registry, and caps the fee: it need not trust this.
    """

    chain_id: int
    forecast_registry: str
    nonce: int
    gas_price: str


@router.get("/{address}/signing", responses=refusals({429: ["busy"], 503: ["chain-unreachable"]}))
async def signing(address: AddressParam, chain_session: LedgerDep, work: WorkDep) -> SigningPublic:
    """What a household needs to know to sign its next transaction; gas price in the chain's smallest unit."""
    return await work.chain.reads.run(_signing, address, chain_session)


def _signing(address: str, chain_session: ChainSession) -> SigningPublic:
    with chain_session.turn:
        return SigningPublic(
            chain_id=chain_session.chain.chain_id,
            forecast_registry=str(chain_session.contracts.forecast_registry.address),
            nonce=chain_session.chain.nonce_of(address),
            gas_price=str(chain_session.chain.gas_price),
        )


@router.get(
    "/{address}/rewards",
    responses=refusals(
        {404: ["unknown-household"], 429: ["busy"], 503: ["chain-unreachable", "database-unreachable"]}
    ),
)
async def rewards(
    address: AddressParam, community: CommunityDep, chain_session: LedgerDep, work: WorkDep
) -> RewardsPublic:
    """Tokens and record of an address, read from the chain."""
    known = to_checksum_address(address)
    await run_in_threadpool(_check_enrolled, community, known)
    return await work.chain.reads.run(_held, known, chain_session)


@router.get("/{address}/days", responses=refusals({404: ["unknown-household"]}))
def days(
    address: AddressParam, community: CommunityDep, request: Request, response: Response, after: AfterDay = -1,
    limit: LimitQuery = MOST,
) -> list[DayOfHome]:  # fmt: skip
    """The days that a household has forecast, in order."""
    known = to_checksum_address(address)
    _check_enrolled(community, known)
    found = days_of_home(community, known, after, limit + 1)
    return page(found, limit, lambda one: one.day, request, response)


def _check_enrolled(community: Community, household: str) -> None:
    with community.sessions() as session:
        if member(session, household) is None:
            raise ApiError("unknown-household", f"no household has the address {household}", 404)


def _held(household: str, chain_session: ChainSession) -> RewardsPublic:
    with chain_session.turn:
        held = holdings(chain_session.chain, chain_session.contracts, household)
    return RewardsPublic(address=household, tokens=str(held.tokens), record=held.metadata)

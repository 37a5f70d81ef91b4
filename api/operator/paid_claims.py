"""Claims that were taken, kept for auditors. A claim is public: it was sent to the contract."""

from __future__ import annotations

from eth_hash.auto import keccak
from sqlalchemy import select

from api.operator.chain_session import ChainSession, recall_reward, settle_claim
from api.operator.community import Community
from api.operator.database.engine import add_once
from api.operator.database.tables import PaidClaim, Reward
from api.operator.database.unsettled import CLAIM, sending
from api.protocol.bundle import ClaimBundle, encode, verify
from api.protocol.bundle_parts import from_hex
from rewards.claims import Granted
from rewards.errors import AlreadyClaimed


def settle(community: Community, chain_session: ChainSession, bundle: ClaimBundle) -> Granted:
    """`settle_claim`, and store the claim; also one that is submitted again, should it be missing.

    It is in the database before it is sent: where the chain does not answer, `api.operator.settlement` goes on with
    it. Raises AlreadyClaimed, and what `settle_claim` raises.
    """
    paid = recall_reward(community, chain_session, bundle.household, bundle.context.day)
    if paid is None:
        with sending(community.sessions, CLAIM, bundle.household, bundle.context.day, encode(bundle)):
            granted = settle_claim(community, chain_session, bundle)
            keep_claim(community, bundle)
        return granted
    if paid.proof_hash == keccak(from_hex(bundle.proof)) and _is_of_its_meters(chain_session, bundle):
        verify(bundle)  # the parts around the proof could be another claim's
        keep_claim(community, bundle)
    raise AlreadyClaimed("claim", "already claimed")


def _is_of_its_meters(chain_session: ChainSession, bundle: ClaimBundle) -> bool:
    registry = chain_session.contracts.forecast_registry.functions
    return all(registry.meter_at(bundle.household, day).call() == meter for day, meter in bundle.signers.items())


def keep_claim(community: Community, bundle: ClaimBundle) -> None:
    """Put a claim that was taken into the database, once."""
    with community.sessions.begin() as session:
        add_once(session, PaidClaim(household=bundle.household, day=bundle.context.day, bundle=encode(bundle)))


def paid_on(community: Community, day: int) -> list[Reward]:
    """The claims of a day, by household."""
    with community.sessions() as session:
        return list(session.scalars(select(Reward).where(Reward.day == day).order_by(Reward.household)))


def kept_claim(community: Community, household: str, day: int) -> bytes | None:
    """The bundle of a paid claim; None where there is none."""
    with community.sessions() as session:
        kept = session.get(PaidClaim, (household, day))
    return None if kept is None else kept.bundle

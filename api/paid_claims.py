"""Claims that were paid, kept for whoever audits their day. All of a claim is public: the contract was sent it."""

from __future__ import annotations

from eth_hash.auto import keccak
from sqlalchemy import select

from api.bundle import ClaimBundle, encode, from_hex
from api.community import Community
from api.database import PaidClaim, Reward
from api.day import Ledger, recall_reward, settle_claim
from rewards.errors import AlreadyClaimed


def settle(community: Community, ledger: Ledger, bundle: ClaimBundle) -> int:
    """`settle_claim`, and the claim is kept; also one that is brought again, should it be missing.

    Raises what `settle_claim` raises.
    """
    try:
        amount = settle_claim(community, ledger, bundle)
    except AlreadyClaimed:
        if _was_paid(community, ledger, bundle):
            _keep(community, bundle)
        raise
    _keep(community, bundle)
    return amount


def _was_paid(community: Community, ledger: Ledger, bundle: ClaimBundle) -> bool:
    """Whether it is the very claim: its proof was paid, and its signatures, which hold, are of the enrolled meter."""
    paid = recall_reward(community, ledger, bundle.household, bundle.context.day)
    meter = ledger.contracts.forecast_registry.functions.meter_of(bundle.household).call()
    return paid is not None and paid.proof_hash == keccak(from_hex(bundle.proof)) and meter == bundle.meter


def _keep(community: Community, bundle: ClaimBundle) -> None:
    with community.sessions.begin() as session:
        session.merge(PaidClaim(household=bundle.household, day=bundle.context.day, bundle=encode(bundle)))


def paid_on(community: Community, day: int) -> list[Reward]:
    """The rewards of a day, by household."""
    with community.sessions() as session:
        return list(session.scalars(select(Reward).where(Reward.day == day).order_by(Reward.household)))


def kept_claim(community: Community, household: str, day: int) -> bytes | None:
    """The bundle of a paid claim; None where there is none."""
    with community.sessions() as session:
        kept = session.get(PaidClaim, (household, day))
    return None if kept is None else kept.bundle

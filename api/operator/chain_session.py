"""What the operator does on the chain: publish rounds, register forecasts and claims, and record each in the
database.

Every step can be repeated: what is registered or paid already is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from sqlalchemy import select

from api.operator.community import Community
from api.operator.database.engine import add_once, put
from api.operator.database.tables import Forecast, ModelRound, Reward
from api.operator.database.unsettled import PAYMENT, mark, take_on
from api.operator.operator_key import check_not_midway
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import ClaimBundle, InferenceBundle, encode
from api.protocol.bundle_parts import from_hex, to_hex
from data.errors import DataError
from rewards.chain import Chain
from rewards.claims import (
    Claim,
    Granted,
    claims_close,
    pay_day,
    recall_claim,
    registered_forecast,
    submit_claim,
)
from rewards.claims_together import Outcome, submit_claims
from rewards.deploy import Contracts
from rewards.errors import NoForecast, Refused, StateGone
from rewards.signing import PinnedHead, forecast_digest
from zkp.errors import ProofError


@dataclass(frozen=True)
class ChainSession:
    """A chain with the community's contracts on it. `lock`: one transaction of the operator at a time."""

    chain: Chain
    contracts: Contracts
    lock: Lock = field(default_factory=Lock)

    @property
    def turn(self) -> AbstractContextManager[object]:
        """The lock for threads that send nothing of the operator's: the embedded EVM serves one at a time.

        A node serves all at once. A household's transaction takes a block there, and all of them share one hour.
        """
        return self.lock if self.chain.tester is not None else nullcontext()

    def checked_time(self) -> int:
        """The chain's time, UTC seconds. Raises ContractsLost where it is not the chain it was, NodeUnreachable."""
        self.contracts.check_reachable(self.chain)
        return self.chain.now


def finality_blocks(community: Community, chain: Chain) -> int:
    """How many blocks have to be on one until no reorganisation takes it back: none on the embedded chain."""
    return 0 if chain.tester is not None else community.config.rewards.finality_blocks


def final_block(chain: Chain, depth: int) -> int | None:
    """The last block that `depth` others are on; None for the latest one."""
    return max(0, chain.block - depth) if depth else None


def is_final(chain: Chain, depth: int, holds: Callable[[int | None], bool]) -> bool:
    """Whether the chain's final block holds something, by what `holds` says of a block (None for the latest).

    A node that has no state of that block, for it was just started anew, cannot say: not yet.
    """
    try:
        return holds(final_block(chain, depth))
    except StateGone:
        return False


def open_chain_session(community: Community, day: int | None = None) -> ChainSession:
    """Chain, contracts and enrolment of all homes. Raises ChainError where the operator's key is being renewed."""
    chain = community.open_chain(day)
    contracts = community.open_contracts(chain)
    check_not_midway(community, chain)
    community.enrol(chain, contracts)
    return ChainSession(chain, contracts)


def publish_round(community: Community, chain_session: ChainSession, trained: TrainedModel) -> None:
    """Register the model's digest for its round. Raises Refused if that or a later round has another digest."""
    publish_digest(community, chain_session, trained.round, trained.digest)


def publish_digest(community: Community, chain_session: ChainSession, number: int, digest: bytes) -> None:
    """`publish_round`, for a round whose model need not be opened."""
    registry = chain_session.contracts.model_registry.functions
    if bytes(registry.digest_of(number).call()) != digest:
        chain_session.chain.send(community.operator, registry.publish(number, digest))
    with community.sessions.begin() as session:
        put(session, ModelRound(number=number, digest=to_hex(digest)))


def pinned_head(contracts: Contracts, household: str, number: int) -> PinnedHead | None:
    """What the registry keeps of a household's head of a round."""
    digest, moment = contracts.forecast_registry.functions.head_of(household, number).call()
    return PinnedHead(bytes(digest), int(moment)) if any(digest) else None


def is_registered(chain_session: ChainSession, bundle: InferenceBundle) -> bool:
    """Whether the chain holds exactly this forecast and proof."""
    kept = chain_session.contracts.forecast_registry.functions.forecast_of(
        bundle.household, bundle.context.day
    ).call()
    return bytes(kept) == forecast_digest(from_hex(bundle.forecast), bundle.context.round, bundle.proof_hash)


def submit_arguments(bundle: InferenceBundle) -> list[Any]:
    """What the forecast registry's `submit` is called with."""
    context = bundle.context
    return [context.day, context.round, bundle.head_digest, from_hex(bundle.forecast), bundle.proof_hash]


def relay_forecast(chain_session: ChainSession, bundle: InferenceBundle, raw: bytes) -> None:
    """Pass a household's transaction on, unless the chain holds its forecast already. Raises Refused."""
    if is_registered(chain_session, bundle):
        return
    registry = chain_session.contracts.forecast_registry
    call = str(registry.encode_abi("submit", args=submit_arguments(bundle)))
    try:
        chain_session.chain.relay(raw, str(registry.address), call, "submit")
    except Refused:
        if not is_registered(chain_session, bundle):  # a repeat may meet its forerunner in the block just made
            raise


def keep_forecast(community: Community, bundle: InferenceBundle) -> None:
    """Put a registered forecast into the database, once."""
    row = Forecast(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round,
        head=to_hex(bundle.head_digest), commitment=bundle.forecast, proof_hash=to_hex(bundle.proof_hash),
        bundle=encode(bundle),
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)


def claim_of(contracts: Contracts, bundle: ClaimBundle) -> Claim:
    """A claim bundle as the contract is called with it. Raises NoForecast, InvalidProof, MeterError."""
    registered = registered_forecast(contracts, bundle.household, bundle.context.day)
    if registered is None:
        raise NoForecast("claim", "no forecast")
    return Claim(
        bundle.statement(), registered.proof_hash, from_hex(bundle.proof),
        tuple(from_hex(one.signature) for one in (bundle.actual, *bundle.benchmarks)),
    )  # fmt: skip


def settle_claim(community: Community, chain_session: ChainSession, bundle: ClaimBundle) -> Granted:
    """Have the contract check and take a claim. Raises InvalidProof, MeterError, Refused."""
    claim = claim_of(chain_session.contracts, bundle)
    granted = submit_claim(chain_session.chain, chain_session.contracts, community.operator, claim)
    keep_reward(community, bundle.household, bundle.context.day, granted)
    return granted


def settle_claims(
    community: Community, chain_session: ChainSession, bundles: Sequence[ClaimBundle]
) -> list[Outcome | DataError]:
    """`settle_claim` of many in one transaction: for each what it was granted, or why it was refused.

    Raises NodeUnreachable.
    """
    found: dict[int, Outcome | DataError] = {}
    claims: dict[int, Claim] = {}
    for place, bundle in enumerate(bundles):
        try:
            claims[place] = claim_of(chain_session.contracts, bundle)
        except (Refused, ProofError, DataError) as why:
            found[place] = why
    outcomes = submit_claims(chain_session.chain, chain_session.contracts, community.operator, list(claims.values()))
    found |= dict(zip(claims, outcomes, strict=True))
    for place, granted in found.items():
        if isinstance(granted, Granted):
            keep_reward(community, bundles[place].household, bundles[place].context.day, granted)
    return [found[place] for place in range(len(bundles))]


def recall_reward(community: Community, chain_session: ChainSession, household: str, day: int) -> Granted | None:
    """The claim that the chain has taken of a day, noted in the database if it is missing there."""
    granted = recall_claim(chain_session.contracts, household, day)
    if granted is not None:
        keep_reward(community, household, day, granted)
    return granted


def keep_reward(community: Community, household: str, day: int, granted: Granted) -> None:
    """Put a claimed day into the database, once."""
    row = Reward(
        household=household, day=day, buckets=granted.buckets, granted=granted.granted, amount=None,
        proof_hash=to_hex(granted.proof_hash),
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)


def pay_claimed_day(community: Community, chain_session: ChainSession, day: int) -> dict[str, int]:
    """Finalise a day and have its households paid, once claims are closed; what each gets, in 10^-18 tokens.

    A claim whose forecast is void is paid nothing, and never will be. Raises ClaimsOpen and other Refused.
    """
    with community.sessions() as session:
        claimed = list(session.scalars(select(Reward.household).where(Reward.day == day)))
    paid = pay_day(chain_session.chain, chain_session.contracts, community.operator, day, claimed)
    with community.sessions.begin() as session:
        for household, amount in paid.items():
            mine = Reward.household == household, Reward.day == day
            row = session.scalar(select(Reward).where(*mine))
            if row is not None and row.amount is None:
                row.amount = str(amount)
                if amount:
                    take_on(session, PAYMENT, household, day)
                    mark(session, PAYMENT, household, day, "mined")
    return paid


def days_to_pay(community: Community, chain_session: ChainSession) -> list[int]:
    """Days that have claims which are not paid, and take no more."""
    with community.sessions() as session:
        open_days = list(session.scalars(select(Reward.day).where(Reward.amount.is_(None)).distinct()))
    now = chain_session.chain.now
    return sorted(day for day in open_days if claims_close(chain_session.contracts, day) <= now)

"""What the operator does on the chain: publish rounds, register forecasts and claims, and record each in the
database.

Every step can be repeated: what is registered or paid already is left as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from eth_hash.auto import keccak

from api.operator.community import Community
from api.operator.database.engine import add_once, put
from api.operator.database.tables import Forecast, ModelRound, Reward
from api.operator.trained_model import TrainedModel
from api.protocol.bundle import ClaimBundle, InferenceBundle, encode, from_hex, to_hex
from rewards.chain import Chain
from rewards.claims import Claim, pay
from rewards.deploy import Contracts
from rewards.signing import PinnedHead


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


def open_chain_session(community: Community, day: int | None = None) -> ChainSession:
    """Chain, contracts and enrolment of all homes."""
    chain = community.open_chain(day)
    contracts = community.open_contracts(chain)
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
    return tuple(kept) == (from_hex(bundle.forecast), bundle.context.round, bundle.proof_hash)


def submit_arguments(bundle: InferenceBundle) -> list[Any]:
    """What the forecast registry's `submit` is called with."""
    context = bundle.context
    return [context.day, context.round, bundle.head_digest, from_hex(bundle.forecast), bundle.proof_hash]


def keep_forecast(community: Community, bundle: InferenceBundle) -> None:
    """Put a registered forecast into the database, once."""
    row = Forecast(
        household=bundle.household, day=bundle.context.day, round=bundle.context.round,
        head=to_hex(bundle.head_digest), commitment=bundle.forecast, proof_hash=to_hex(bundle.proof_hash),
        bundle=encode(bundle),
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)


def claim_of(bundle: ClaimBundle) -> Claim:
    """A claim bundle as the contract is called with it."""
    return Claim(
        bundle.statement(), from_hex(bundle.proof), from_hex(bundle.actual.signature),
        from_hex(bundle.naive.signature),
    )  # fmt: skip


def settle_claim(community: Community, chain_session: ChainSession, bundle: ClaimBundle) -> int:
    """Have a claim checked and paid; the amount in 10^-18 tokens. Raises InvalidProof, MeterError, Refused."""
    amount = pay(chain_session.chain, chain_session.contracts, community.operator, claim_of(bundle))
    proof_hash = keccak(from_hex(bundle.proof))
    keep_reward(community, Paid(bundle.household, bundle.context.day, bundle.tier, amount, proof_hash))
    return amount


@dataclass(frozen=True)
class Paid:
    """A reward, from the chain's event; amount in 10^-18 tokens."""

    household: str
    day: int
    tier: int
    amount: int
    proof_hash: bytes


def recall_reward(community: Community, chain_session: ChainSession, household: str, day: int) -> Paid | None:
    """The reward already paid for a day, from the chain; recorded in the database if missing there."""
    contract = chain_session.contracts.rewards
    if not contract.functions.claimed(household, day).call():
        return None
    wanted = {"household": household, "day": day}
    (event,) = contract.events.Rewarded().get_logs(from_block=0, argument_filters=wanted)
    arguments = event["args"]
    paid = Paid(household, day, int(arguments["tier"]), int(arguments["amount"]), bytes(arguments["proof_hash"]))
    keep_reward(community, paid)
    return paid


def keep_reward(community: Community, paid: Paid) -> None:
    """Put a reward into the database, once."""
    row = Reward(
        household=paid.household, day=paid.day, tier=paid.tier, amount=str(paid.amount),
        proof_hash=to_hex(paid.proof_hash),
    )  # fmt: skip
    with community.sessions.begin() as session:
        add_once(session, row)

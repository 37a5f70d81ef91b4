"""A household's claim for a day, and what the chain holds of it afterwards."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.logs import DISCARD

from data.json_text import loads
from rewards.chain import Chain
from rewards.chain_errors import answer_at
from rewards.deploy import Contracts
from rewards.events import events
from rewards.signing import forecast_digest
from rewards.verifier import ordinates
from zkp.errors import InvalidProof
from zkp.statements import skill

CLAIM_GAS = 1_500_000
"""Limit of a claim's transaction, which takes about half of it."""
MANY = 64
"""Households that are paid in one transaction."""
_METADATA = "data:application/json;base64,"


@dataclass(frozen=True)
class Claim:
    """A skill proof with what the contract checks beside it: the hash of the inference proof that the forecast was
    registered with, and the meter's signatures of the day and of the seven days
    of the benchmarks, in their order. Public, all of it."""

    statement: skill.Statement
    forecast_proof_hash: bytes
    proof: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True)
class Granted:
    """A claim as the contract took it: buckets that were proven, and those that count under the meter's caps."""

    buckets: int
    granted: int
    proof_hash: bytes


def claim_arguments(claim: Claim) -> tuple[Any, ...]:
    """What the contract's `claim` is called with. Raises MalformedProof."""
    statement = claim.statement
    return (
        to_checksum_address(statement.context.household), statement.context.day, statement.buckets,
        statement.context.round, statement.forecast, claim.forecast_proof_hash,
        b"".join((statement.actual, *statement.benchmarks)), b"".join(claim.signatures), claim.proof,
        ordinates(statement, claim.proof),
    )  # fmt: skip


def claim_call(contracts: Contracts, claim: Claim) -> Any:
    """The call that claims a day. Raises MalformedProof."""
    return contracts.rewards.functions.claim(*claim_arguments(claim))


def check_claim(contracts: Contracts, claim: Claim) -> None:
    """Verify a claim's proof against what is registered: costs nothing here; a refused transaction does.

    Raises zkp.errors.InvalidProof or MalformedProof.
    """
    statement = claim.statement
    household = to_checksum_address(statement.context.household)
    registered = contracts.forecast_registry.functions.forecast_of(household, statement.context.day).call()
    told = forecast_digest(statement.forecast, statement.context.round, claim.forecast_proof_hash)
    if any(registered) and bytes(registered) != told:
        raise InvalidProof("the proof speaks of another forecast than the registered one")
    skill.verify(statement, claim.proof)


def submit_claim(chain: Chain, contracts: Contracts, sender: LocalAccount, claim: Claim) -> Granted:
    """Verify the proof against what is registered, then have the contract take the claim.

    Any funded account can send it; where an auditor stands in for the verifier, only that one.
    Raises zkp.errors.InvalidProof or MalformedProof, or a Refused.
    """
    check_claim(contracts, claim)
    receipt = chain.send(sender, claim_call(contracts, claim), CLAIM_GAS)
    (event,) = contracts.rewards.events.Claimed().process_receipt(receipt, errors=DISCARD)
    return granted_by(event["args"])


def granted_by(told: Any) -> Granted:
    """By the arguments of a `Claimed` event."""
    return Granted(int(told["buckets"]), int(told["granted"]), bytes(told["proof_hash"]))


def recall_claim(contracts: Contracts, household: str, day: int) -> Granted | None:
    """The claim that the contract has taken of a day; None where there is none."""
    if not contracts.rewards.functions.claim_of(household, day).call()[1]:
        return None
    wanted = {"household": household, "day": day}
    (told,) = events(contracts.rewards, "Claimed", contracts.block, wanted)
    return granted_by(told)


@dataclass(frozen=True)
class ClaimState:
    """What the contract holds of a household's day at a block: whether it is claimed, and whether it is paid."""

    claimed: bool
    collected: bool


def claim_state(contracts: Contracts, household: str, day: int, block: int | None = None) -> ClaimState:
    """At a block, the latest by default."""
    call = contracts.rewards.functions.claim_of(household, day)
    _, buckets, collected = answer_at(call, block)
    return ClaimState(bool(buckets), bool(collected))


def holds_forecast(contracts: Contracts, household: str, day: int, digest: bytes, block: int | None = None) -> bool:
    """Whether exactly this forecast is registered at a block, the latest by default."""
    call = contracts.forecast_registry.functions.forecast_of(household, day)
    kept = answer_at(call, block)
    return bytes(kept) == digest


def claims_since(contracts: Contracts, block: int, until: int) -> Iterator[tuple[str, int, Granted]]:
    """Household, day and claim of every claim that the contract took in these blocks, whoever brought it."""
    for told in events(contracts.rewards, "Claimed", block, until=until):
        yield str(told["household"]), int(told["day"]), granted_by(told)


@dataclass(frozen=True)
class Registered:
    """A forecast as it was registered."""

    commitment: bytes
    round: int
    proof_hash: bytes


def registered_forecast(contracts: Contracts, household: str, day: int) -> Registered | None:
    """What a household has registered for a day, by the registry's event; None where there is nothing."""
    if not any(contracts.forecast_registry.functions.forecast_of(household, day).call()):
        return None
    wanted = {"household": household, "day": day}
    (told,) = events(contracts.forecast_registry, "Committed", contracts.block, wanted)
    return Registered(bytes(told["commitment"]), int(told["round"]), bytes(told["proof_hash"]))


def claims_close(contracts: Contracts, day: int) -> int:
    """When claims of a day close, and it can be finalised: UTC seconds."""
    end = contracts.forecast_registry.functions.day_end(day).call()
    return int(end) + int(contracts.rewards.functions.CLAIM_PERIOD().call())


def pay_day(
    chain: Chain, contracts: Contracts, sender: LocalAccount, day: int, households: Sequence[str]
) -> dict[str, int]:
    """Finalise a day, where nobody did, and collect for households that have claimed it; amounts in 10^-18 tokens of
    those that are paid by now.

    A claim whose forecast is void is struck out, or left alone where the day is final: it would refuse the payment of
    all the others. Its amount is 0. Raises ClaimsOpen and other Refused.
    """
    rewards = contracts.rewards.functions
    claims = {h: rewards.claim_of(h, day).call() for h in households}
    void = {h: 0 for h in claims if _is_void(contracts, h, day)}
    claimed = {h: int(buckets) for h, (_, buckets, _) in claims.items() if buckets and h not in void}
    if not rewards.rate_of(day).call():
        for household in [h for h in void if claims[h][1]]:
            chain.send(sender, rewards.strike_out(household, day))
        if claimed:
            chain.send(sender, rewards.finalise(day))
    waiting = [h for h in claimed if not claims[h][2]]
    for first in range(0, len(waiting), MANY):
        chain.send(sender, rewards.collect_many(waiting[first : first + MANY], day))
    rate = int(rewards.rate_of(day).call())
    return void | {h: buckets * rate for h, buckets in claimed.items()}


def _is_void(contracts: Contracts, household: str, day: int) -> bool:
    """Of a day whose claims are closed: by then the time to answer is over, whatever the latest block's is."""
    if contracts.challenges is None:
        return False
    challenger, _, answered, _ = contracts.challenges.functions.case_of(household, day).call()
    return bool(int(str(challenger), 16)) and not answered


@dataclass(frozen=True)
class Holdings:
    """What the chain holds for a household: tokens (10^-18) and the record of its NFT, if it has one."""

    tokens: int
    metadata: dict[str, Any] | None


def holdings(chain: Chain, contracts: Contracts, household: str) -> Holdings:
    address = chain.web3.to_checksum_address(household)
    tokens = contracts.reward_token.functions.balanceOf(address).call()
    metadata = None
    if contracts.household_nft.functions.balanceOf(address).call():
        uri = contracts.household_nft.functions.tokenURI(int(address, 16)).call()
        metadata = loads(b64decode(str(uri).removeprefix(_METADATA)))
    return Holdings(int(tokens), metadata)

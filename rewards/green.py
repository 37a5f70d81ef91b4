"""Green shares: what the community's hours weigh, and a household's claim that its load lay in the green ones
(`contracts/green_share.vy`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.logs import DISCARD

from rewards.chain import Chain
from rewards.chain_errors import answer_at
from rewards.claims import MANY, ClaimState
from rewards.deploy import Contracts
from rewards.errors import NoPrecompiles
from rewards.events import events
from zkp.algebra.curve import G1_BYTES
from zkp.batch.programs import green_program
from zkp.batch.recording import SentPoint
from zkp.evm.points import ordinate
from zkp.statements import green_share

GREEN_GAS = 1_000_000
"""Limit of a claim's transaction, which takes about a third of it."""


@dataclass(frozen=True)
class GreenDay:
    """A green share's proof, its statement of round 0, with the meter's signature of the day. Public, all of it."""

    statement: green_share.Statement
    proof: bytes
    signature: bytes


@dataclass(frozen=True)
class GreenGranted:
    """A claim as the contract took it: the percentage that was proven, and the points that count."""

    tier: int
    points: int
    proof_hash: bytes


def publish_weights(
    chain: Chain, contracts: Contracts, operator: LocalAccount, day: int, weights: Sequence[int]
) -> None:
    """Register how green each hour of a day is, 24 numbers from 0 to 255, before it starts. Raises Refused."""
    chain.send(operator, green_contract(contracts).functions.publish_weights(day, bytes(weights)))


def weights_of(contracts: Contracts, day: int) -> tuple[int, ...] | None:
    """The weights of a day's hours; None where there are none."""
    if contracts.green_share is None:
        return None
    found = bytes(contracts.green_share.functions.weights_of(day).call())
    return tuple(found) if any(found) else None


def claim_green(chain: Chain, contracts: Contracts, sender: LocalAccount, green: GreenDay) -> GreenGranted:
    """Verify a proof, then have the contract take the claim.

    Any funded account can send it. Raises zkp.errors.InvalidProof or MalformedProof, or a Refused.
    """
    green_share.verify(green.statement, green.proof)  # costs nothing here; a refused transaction does
    receipt = chain.send(sender, green_call(contracts, green), GREEN_GAS)
    (event,) = green_contract(contracts).events.GreenClaimed().process_receipt(receipt, errors=DISCARD)
    return _granted_by(event["args"])


def green_call(contracts: Contracts, green: GreenDay) -> Any:
    """The call that claims a green day. Raises MalformedProof."""
    statement = green.statement
    return green_contract(contracts).functions.claim_green(
        to_checksum_address(statement.context.household), statement.context.day, statement.tier, statement.actual,
        green.signature, green.proof, ordinates(statement, green.proof),
    )  # fmt: skip


def ordinates(statement: green_share.Statement, proof: bytes) -> bytes:
    """y of each point of the equation's left side, in its order. Raises MalformedProof."""
    data = statement.encode() + green_share.body(proof)
    sent = (
        data[slot.first : slot.first + G1_BYTES] if isinstance(slot, SentPoint) else statement.actual
        for slot in green_program().left.slots
    )
    return b"".join(map(ordinate, sent))


def green_state(contracts: Contracts, household: str, day: int, block: int | None = None) -> ClaimState:
    """At a block, the latest by default."""
    if contracts.green_share is None:
        return ClaimState(claimed=False, collected=False)
    call = contracts.green_share.functions.green_of(household, day)
    points, collected = answer_at(call, block)
    return ClaimState(bool(points), bool(collected))


def recall_green(contracts: Contracts, household: str, day: int) -> GreenGranted | None:
    """The claim that the contract has taken of a day; None where there is none."""
    if not green_state(contracts, household, day).claimed:
        return None
    told = list(
        events(green_contract(contracts), "GreenClaimed", contracts.block, {"household": household, "day": day})
    )
    return _granted_by(told[-1])


def greens_since(contracts: Contracts, block: int, until: int) -> Iterator[tuple[str, int, GreenGranted]]:
    """Household, day and claim of every claim that the contract took in these blocks, whoever brought it."""
    if contracts.green_share is not None:
        for told in events(contracts.green_share, "GreenClaimed", block, until=until):
            yield str(told["household"]), int(told["day"]), _granted_by(told)


def pay_green_day(
    chain: Chain, contracts: Contracts, sender: LocalAccount, day: int, households: Sequence[str]
) -> dict[str, int]:
    """Finalise a green day, where nobody did, and collect for households that have claimed it; amounts in 10^-18
    tokens of those that are paid by now.

    A claim whose forecast was struck out is struck out as well, or left unpaid. Raises ClaimsOpen and other Refused.
    """
    functions, rewards = green_contract(contracts).functions, contracts.rewards.functions
    green = {h: green_state(contracts, h, day) for h in households}
    skill = {h: rewards.claim_of(h, day).call() for h in households if green[h].claimed}
    if not functions.rate_of(day).call():
        for household in [h for h, (_, buckets, _) in skill.items() if not buckets]:
            chain.send(sender, functions.strike_out_green(household, day))
        if not functions.total_of(day).call():
            return {}
        chain.send(sender, functions.finalise_green(day))
    due = [h for h, (_, buckets, collected) in skill.items() if buckets and collected]
    waiting = [h for h in due if not green[h].collected]
    for first in range(0, len(waiting), MANY):
        chain.send(sender, functions.collect_green(waiting[first : first + MANY], day))
    rate = int(functions.rate_of(day).call())
    return {h: rate * int(functions.green_of(h, day).call()[0]) for h in due}


def strike_out(chain: Chain, contracts: Contracts, sender: LocalAccount, household: str, day: int) -> bool:
    """Take back what was claimed of a day whose forecast is void, its green share included; whether there was
    anything.

    Nothing is left to do where the day is final. Raises Refused.
    """
    rewards, done = contracts.rewards.functions, False
    if rewards.claim_of(household, day).call()[1] and not rewards.rate_of(day).call():
        chain.send(sender, rewards.strike_out(household, day))
        done = True
    if done and green_state(contracts, household, day).claimed:
        functions = green_contract(contracts).functions
        if not functions.rate_of(day).call():
            chain.send(sender, functions.strike_out_green(household, day))
    return done


def green_contract(contracts: Contracts) -> Contract:
    """Raises NoPrecompiles where this community has none."""
    if contracts.green_share is None:
        raise NoPrecompiles("this community's contracts check no proofs, so no green share can be claimed")
    return contracts.green_share


def _granted_by(told: Any) -> GreenGranted:
    return GreenGranted(int(told["tier"]), int(told["points"]), bytes(told["proof_hash"]))

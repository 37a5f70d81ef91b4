"""Green days: what the community's hours weigh, and a household's proof that its load lay in the green ones
(`contracts/green_share.vy`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.contract import Contract

from rewards.chain import Chain
from rewards.deploy import Contracts
from rewards.errors import NoPrecompiles
from zkp.algebra.curve import G1_BYTES
from zkp.batch.programs import green_program
from zkp.batch.recording import SentPoint
from zkp.evm.points import ordinate
from zkp.statements import green_share

LEAST_TIER = 50
"""Percent of a day's load that has to be green, by weight."""
NOTE_GAS = 1_000_000
"""Limit of a note's transaction."""


@dataclass(frozen=True)
class GreenDay:
    """A green share's proof, its statement of round 0, with the meter's signature of the day. Public, all of it."""

    statement: green_share.Statement
    proof: bytes
    signature: bytes


def publish_weights(
    chain: Chain, contracts: Contracts, operator: LocalAccount, day: int, weights: Sequence[int]
) -> None:
    """Register how green each hour of a day is, 24 numbers from 0 to 255, before it starts. Raises Refused."""
    chain.send(operator, _green(contracts).functions.publish_weights(day, bytes(weights)))


def weights_of(contracts: Contracts, day: int) -> tuple[int, ...] | None:
    """The weights of a day's hours; None where there are none."""
    found = bytes(_green(contracts).functions.weights_of(day).call())
    return tuple(found) if any(found) else None


def note_green(chain: Chain, contracts: Contracts, sender: LocalAccount, green: GreenDay) -> None:
    """Verify a proof, then have the contract note the day on the household's record.

    Any funded account can send it. Raises zkp.errors.InvalidProof or MalformedProof, or a Refused.
    """
    statement = green.statement
    green_share.verify(statement, green.proof)  # costs nothing here; a refused transaction does
    call = _green(contracts).functions.note(
        to_checksum_address(statement.context.household), statement.context.day, statement.tier, statement.actual,
        green.signature, green.proof, ordinates(statement, green.proof),
    )  # fmt: skip
    chain.send(sender, call, NOTE_GAS)


def ordinates(statement: green_share.Statement, proof: bytes) -> bytes:
    """y of each point of the equation's left side, in its order. Raises MalformedProof."""
    data = statement.encode() + green_share.body(proof)
    sent = (
        data[slot.first : slot.first + G1_BYTES] if isinstance(slot, SentPoint) else statement.actual
        for slot in green_program().left.slots
    )
    return b"".join(map(ordinate, sent))


def _green(contracts: Contracts) -> Contract:
    if contracts.green_share is None:
        raise NoPrecompiles("this community's contracts check no proofs, so no green day can be noted")
    return contracts.green_share

"""A household's claim for a day, and what the chain holds of it afterwards."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.logs import DISCARD

from rewards.chain import Chain
from rewards.deploy import Contracts
from rewards.verifier import ordinates
from zkp.errors import InvalidProof
from zkp.statements import skill

REWARD_GAS = 2_000_000
"""Limit of a reward's transaction, which takes about 0.62 million."""
_METADATA = "data:application/json;utf8,"


@dataclass(frozen=True)
class Claim:
    """A skill proof with what the contract checks beside it. Public, all of it."""

    statement: skill.Statement
    proof: bytes
    actual_signature: bytes
    naive_signature: bytes


def claim_call(contracts: Contracts, claim: Claim) -> Any:
    """The call that claims a day. Raises MalformedProof."""
    statement = claim.statement
    return contracts.rewards.functions.reward(
        to_checksum_address(statement.context.household), statement.context.day, statement.tier, statement.actual,
        claim.actual_signature, statement.naive, claim.naive_signature, claim.proof,
        ordinates(statement, claim.proof),
    )  # fmt: skip


def pay(chain: Chain, contracts: Contracts, sender: LocalAccount, claim: Claim) -> int:
    """Verify the proof against what is registered, then have the contract pay; the amount in 10^-18 tokens.

    Any funded account can send it; where an auditor stands in for the verifier, only that one.
    Raises zkp.errors.InvalidProof or MalformedProof, or a Refused.
    """
    statement = claim.statement
    household = chain.web3.to_checksum_address(statement.context.household)
    day = statement.context.day
    commitment, round_number, _ = contracts.forecast_registry.functions.forecast_of(household, day).call()
    if bytes(commitment) != statement.forecast or round_number != statement.context.round:
        raise InvalidProof("the proof speaks of another forecast than the registered one")
    skill.verify(statement, claim.proof)  # costs nothing here; a refused transaction does
    receipt = chain.send(sender, claim_call(contracts, claim), REWARD_GAS)
    (event,) = contracts.rewards.events.Rewarded().process_receipt(receipt, errors=DISCARD)
    return int(event["args"]["amount"])


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
        metadata = json.loads(str(uri).removeprefix(_METADATA))
    return Holdings(int(tokens), metadata)

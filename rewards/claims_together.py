"""Claims of many households in one transaction (`claim_many` of `contracts/rewards.vy`), each with its own outcome.

Every proof is verified here before anything is sent, so one that does not hold costs the others nothing. What the
chain refuses of a batch (a claim that somebody else has brought meanwhile, a forecast that has become void) is
skipped there by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.logs import DISCARD
from web3.types import TxReceipt

from rewards.chain import Chain
from rewards.claims import Claim, Granted, check_claim, claim_arguments, granted_by, submit_claim
from rewards.deploy import Contracts
from rewards.errors import NodeUnreachable, Refused, refused
from zkp.errors import ProofError

TOGETHER = 20
"""Claims in one transaction: 60 kB of data, which nodes pass on up to 128 kB."""
_GAS, _GAS_EACH = 500_000, 400_000
_SELECTOR = 4  # of Error(string), before the reason of a refusal

Outcome = Granted | Refused | ProofError


def submit_claims(chain: Chain, contracts: Contracts, sender: LocalAccount, claims: Sequence[Claim]) -> list[Outcome]:
    """What the contract has granted for each claim, or why it is refused. Raises NodeUnreachable."""
    outcomes: dict[int, Outcome] = {}
    for place, claim in enumerate(claims):
        try:
            check_claim(contracts, claim)
        except (Refused, ProofError) as why:
            outcomes[place] = why
    good = [place for place in range(len(claims)) if place not in outcomes]
    for first in range(0, len(good), TOGETHER):
        share = good[first : first + TOGETHER]
        found = _submitted(chain, contracts, sender, [claims[place] for place in share])
        outcomes |= dict(zip(share, found, strict=True))
    return [outcomes[place] for place in range(len(claims))]


def _submitted(chain: Chain, contracts: Contracts, sender: LocalAccount, claims: Sequence[Claim]) -> list[Outcome]:
    """One transaction; where it is refused as a whole, one for each claim."""
    if len(claims) > 1:
        call = contracts.rewards.functions.claim_many([claim_arguments(claim) for claim in claims])
        try:
            receipt = chain.send(sender, call, _GAS + _GAS_EACH * len(claims))
        except NodeUnreachable:
            raise
        except Refused:
            pass  # it says nothing of the single ones: each is tried, and refused, by itself
        else:
            return _outcomes(contracts, receipt, claims)
    return [_alone(chain, contracts, sender, claim) for claim in claims]


def _alone(chain: Chain, contracts: Contracts, sender: LocalAccount, claim: Claim) -> Outcome:
    try:
        return submit_claim(chain, contracts, sender, claim)
    except (Refused, ProofError) as why:
        return why


def _outcomes(contracts: Contracts, receipt: TxReceipt, claims: Sequence[Claim]) -> list[Outcome]:
    """By the events of the transaction, which are in the order of the claims: one for each."""
    taken = contracts.rewards.events.Claimed().process_receipt(receipt, errors=DISCARD)
    skipped = contracts.rewards.events.Skipped().process_receipt(receipt, errors=DISCARD)
    told = sorted([*taken, *skipped], key=lambda event: int(event["logIndex"]))
    for event, claim in zip(told, claims, strict=True):
        household = to_checksum_address(claim.statement.context.household)
        assert (event["args"]["household"], event["args"]["day"]) == (household, claim.statement.context.day)
    return [_outcome(event) for event in told]


def _outcome(event: Any) -> Outcome:
    if event["event"] == "Claimed":
        return granted_by(event["args"])
    data = bytes(event["args"]["reason"])
    try:
        (reason,) = decode(["string"], data[_SELECTOR:])
    except DecodingError:
        reason = "refused without a reason"
    return refused("claim", str(reason))

"""Membership on the chain: where a household stands, and its signed statements passed on (`rewards.consent`)."""

from __future__ import annotations

from typing import Literal

from eth_account.signers.local import LocalAccount

from rewards.chain import Chain
from rewards.consent import MembershipFacts, SignedStatement, sign_statement
from rewards.deploy import Contracts


def membership(chain: Chain, contracts: Contracts, household: str, *, invited: bool) -> MembershipFacts:
    """Where a household stands. `invited`: the operator would take it in. Raises NodeUnreachable, Refused."""
    registry, record = contracts.forecast_registry.functions, contracts.household_nft.functions
    state: Literal["invited", "enrolled", "left", "unknown"] = "invited" if invited else "unknown"
    if registry.is_enrolled(household).call():
        state = "enrolled"
    elif registry.has_left(household).call():
        state = "left"
    return MembershipFacts(
        chain_id=chain.chain_id,
        forecast_registry=str(contracts.forecast_registry.address),
        household_nft=str(contracts.household_nft.address),
        nonce=int(registry.nonces(household).call()),
        now=chain.now,
        state=state,
        has_record=int(record.record_of(household).call()[0]) > 0,
    )


def enrol(chain: Chain, contracts: Contracts, operator: LocalAccount, wallet: LocalAccount) -> None:
    """Take in a household whose wallet is at hand: it signs, the operator passes it on. Raises Refused."""
    facts = membership(chain, contracts, wallet.address, invited=True)
    pass_on(chain, contracts, operator, sign_statement(wallet, "enrolment", facts))


def pass_on(chain: Chain, contracts: Contracts, sender: LocalAccount, signed: SignedStatement) -> None:
    """Have a contract do what a household has signed; an enrolment only the operator can pass on. Raises Refused."""
    registry, record = contracts.forecast_registry.functions, contracts.household_nft.functions
    calls = {
        "enrolment": registry.enrol,
        "leaving": registry.leave_by_signature,
        "coming-back": registry.come_back_by_signature,
        "burning": record.burn_by_signature,
    }
    chain.send(sender, calls[signed.says](signed.household, signed.deadline, signed.signature))

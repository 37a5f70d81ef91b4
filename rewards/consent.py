"""What a household says of its membership by its signature (EIP-712), so that it needs no coins: that it joins the
community, leaves it, comes back, and that its record be burnt.

A statement names chain and contract (the forecast registry's address, the record's for a burning), so it is worth
nothing anywhere else; a nonce or the burning itself makes it work once; it ends at its deadline. Loads no web3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

Statement = Literal["enrolment", "leaving", "coming-back", "burning"]
STATEMENTS: tuple[Statement, ...] = get_args(Statement)
VALID_S = 24 * 3600
"""How long a household's signature is good for, by default."""
_TYPES: dict[Statement, str] = {
    "enrolment": "Enrolment", "leaving": "Leaving", "coming-back": "ComingBack", "burning": "Burn"
}  # fmt: skip
_REGISTRY, _RECORD = "Wattproof registry", "Wattproof household"


@dataclass(frozen=True)
class MembershipFacts:
    """Where a household stands, and what its next statement must name. Nonce of the registry; times in UTC seconds.

    `state`: invited by the operator, enrolled, left, or unknown to the community.
    """

    chain_id: int
    forecast_registry: str
    household_nft: str
    nonce: int
    now: int
    state: Literal["invited", "enrolled", "left", "unknown"]
    has_record: bool


@dataclass(frozen=True)
class SignedStatement:
    """A statement with its deadline (UTC seconds) and the household's signature (65 bytes)."""

    says: Statement
    household: str
    deadline: int
    signature: bytes


def sign_statement(
    wallet: LocalAccount, says: Statement, facts: MembershipFacts, valid_s: int = VALID_S
) -> SignedStatement:
    """A household's statement, good for `valid_s` seconds of the chain's time."""
    deadline = facts.now + valid_s
    of_record = says == "burning"
    domain = {
        "name": _RECORD if of_record else _REGISTRY, "version": "1", "chainId": facts.chain_id,
        "verifyingContract": facts.household_nft if of_record else facts.forecast_registry,
    }  # fmt: skip
    content: dict[str, Any] = {"household": wallet.address, "deadline": deadline}
    fields = [("household", "address"), ("deadline", "uint256")]
    if not of_record:
        content["nonce"] = facts.nonce
        fields.insert(1, ("nonce", "uint256"))
    types = {_TYPES[says]: [{"name": name, "type": kind} for name, kind in fields]}
    signature = bytes(wallet.sign_message(encode_typed_data(domain, types, content)).signature)
    return SignedStatement(says, str(wallet.address), deadline, signature)

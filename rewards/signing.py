"""A household's own transaction, the registration of its forecast, made with little memory: no web3 is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

SUBMIT_GAS = 250_000
"""Limit of a registration, which takes about 153,000."""
_SUBMIT = keccak(b"submit(uint32,uint32,bytes,bytes32)")[:4]


@dataclass(frozen=True)
class Registration:
    """What a household registers: its day, the model's round, the commitment (48 bytes), the proof's hash."""

    day: int
    round: int
    commitment: bytes
    proof_hash: bytes

    @property
    def call(self) -> bytes:
        """The call of the forecast registry."""
        types = ["uint32", "uint32", "bytes", "bytes32"]
        return _SUBMIT + encode(types, [self.day, self.round, self.commitment, self.proof_hash])


@dataclass(frozen=True)
class SigningFacts:
    """What a transaction must say beside its call. Prices in the chain's smallest unit."""

    chain_id: int
    forecast_registry: str
    nonce: int
    gas_price: int


class FeeTooHigh(Exception):
    """The chain's price, or what is said to be it, is beyond what the household wants to pay."""


def fee_price(asked: int, max_fee: int) -> int:
    """Price of a unit of gas to offer: twice what is asked, within the most the household pays. Raises FeeTooHigh."""
    most = max_fee // SUBMIT_GAS
    if not 0 <= asked <= most:
        raise FeeTooHigh(f"a unit of gas is said to cost {asked}, gateway.max_fee allows {most}")
    return min(2 * asked, most)


def sign(wallet: LocalAccount, facts: SigningFacts, registration: Registration, max_fee: int) -> bytes:
    """The signed transaction, raw. It carries no value, and its fee is at most `max_fee`. Raises FeeTooHigh."""
    fields: dict[str, Any] = {
        "to": facts.forecast_registry, "data": registration.call, "value": 0, "gas": SUBMIT_GAS,
        "gasPrice": fee_price(facts.gas_price, max_fee), "nonce": facts.nonce, "chainId": facts.chain_id,
    }  # fmt: skip
    return bytes(wallet.sign_transaction(fields).raw_transaction)

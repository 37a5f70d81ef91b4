"""A household's own transactions, signed without loading web3, which takes much memory: it pins its head, and
registers its forecasts.

"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

CALL_GAS = 250_000
"""Limit of a call; a registration takes about 80,000, a pin 75,000."""
NO_HEAD = bytes(32)
"""Stands for the digest of a personal head if there is none."""
_SUBMIT = keccak(b"submit(uint32,uint32,bytes32,bytes,bytes32)")[:4]
_GWEI = 10**9
_PIN_HEAD = keccak(b"pin_head(uint32,bytes32)")[:4]


class RegistryCall(Protocol):
    """A household's call to the forecast registry."""

    @property
    def call(self) -> bytes:
        """The call's data."""


def forecast_digest(commitment: bytes, round_number: int, proof_hash: bytes) -> bytes:
    """What the registry keeps of a forecast."""
    return keccak(commitment + round_number.to_bytes(4, "big") + proof_hash)


@dataclass(frozen=True)
class Registration:
    """What a household registers: its day, the model's round, its personal head's digest (`NO_HEAD` for none), the
    commitment (48 bytes), the proof's hash."""

    day: int
    round: int
    head: bytes
    commitment: bytes
    proof_hash: bytes

    @property
    def digest(self) -> bytes:
        """What the registry keeps of it."""
        return forecast_digest(self.commitment, self.round, self.proof_hash)

    @property
    def call(self) -> bytes:
        types = ["uint32", "uint32", "bytes32", "bytes", "bytes32"]
        return _SUBMIT + encode(types, [self.day, self.round, self.head, self.commitment, self.proof_hash])


@dataclass(frozen=True)
class HeadPin:
    """A household pins its personal head, by its digest, to a round."""

    round: int
    digest: bytes

    @property
    def call(self) -> bytes:
        return _PIN_HEAD + encode(["uint32", "bytes32"], [self.round, self.digest])


@dataclass(frozen=True)
class PinnedHead:
    """What the registry keeps of a pinned head: its digest, and when that was (UTC seconds since 1970)."""

    digest: bytes
    pinned_at: int


@dataclass(frozen=True)
class SigningFacts:
    """A transaction's fields beside its call. Prices in the chain's smallest unit."""

    chain_id: int
    forecast_registry: str
    nonce: int
    gas_price: int


class FeeTooHigh(Exception):
    """The chain's gas price, as reported, exceeds what the household is willing to pay."""


def fair_price(suggested: int, base_fee: int | None) -> int:
    """What a unit of gas costs now: what a node suggests (`eth_gasPrice`), its tip bounded by the block's base fee or
    one gwei. A chain without base fees has its price.

    Nodes suggest the tip that the last transactions paid (Geth's gas price oracle, anvil's). On the community's own
    chain those are ours, each of which offers more than the suggestion: without a bound the price doubles with every
    transaction. The base fee (EIP-1559) follows from how full blocks are, and from no offer.
    """
    return suggested if base_fee is None else min(suggested, base_fee + max(base_fee, _GWEI))


def fee_price(asked: int, max_fee: int) -> int:
    """The gas price to offer: twice the current price, up to the most the household pays. Raises FeeTooHigh."""
    most = max_fee // CALL_GAS
    if not 0 <= asked <= most:
        raise FeeTooHigh(f"the reported gas price is {asked}, gateway.max_fee allows {most}")
    return min(2 * asked, most)


def sign(wallet: LocalAccount, facts: SigningFacts, said: RegistryCall, max_fee: int) -> bytes:
    """The signed transaction, raw. It carries no value, and its fee is at most `max_fee`. Raises FeeTooHigh."""
    fields: dict[str, Any] = {
        "to": facts.forecast_registry, "data": said.call, "value": 0, "gas": CALL_GAS,
        "gasPrice": fee_price(facts.gas_price, max_fee), "nonce": facts.nonce, "chainId": facts.chain_id,
    }  # fmt: skip
    return bytes(wallet.sign_transaction(fields).raw_transaction)

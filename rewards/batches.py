"""A day's forecasts as one root: leaves that households sign, each at the place of its household's number.

The operator submits the root before forecasts are due, for less than a hundredth of what registering each would
cost, and publishes the leaves. A place holds one leaf, and a day has one root, so nobody keeps two forecasts to
choose from afterwards. Whoever wants a day claimed registers its leaf first (`register_leaf`), with the path to the
root; who does not trust the operator with the deadline registers by its own transaction. Hashes of leaves and nodes
begin with different bytes (RFC 6962, section 2.1); empty places are zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

DEPTH = 16
"""Of the largest tree that the registry takes."""
_NAME = "Wattproof registry"
_TYPES = {
    "Forecast": [
        {"name": "household", "type": "address"},
        {"name": "day", "type": "uint32"},
        {"name": "round", "type": "uint32"},
        {"name": "head", "type": "bytes32"},
        {"name": "commitment", "type": "bytes"},
        {"name": "proofHash", "type": "bytes32"},
    ]
}
_EMPTY = bytes(32)


@dataclass(frozen=True)
class Leaf:
    """A household's forecast of a day: what it would register itself, with the head in force (zeros for none)."""

    household: str
    day: int
    round: int
    head: bytes
    commitment: bytes
    proof_hash: bytes

    def digest(self, chain_id: int, registry: str) -> bytes:
        """What the household signs (EIP-712), and what stands in the tree."""
        message = encode_typed_data(*self._typed(chain_id, registry))
        return keccak(b"\x19" + message.version + message.header + message.body)

    def sign(self, wallet: LocalAccount, chain_id: int, registry: str) -> bytes:
        """The household's signature, 65 bytes."""
        message = encode_typed_data(*self._typed(chain_id, registry))
        return bytes(wallet.sign_message(message).signature)

    def _typed(self, chain_id: int, registry: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        domain = {"name": _NAME, "version": "1", "chainId": chain_id, "verifyingContract": registry}
        content = {
            "household": self.household, "day": self.day, "round": self.round, "head": self.head,
            "commitment": self.commitment, "proofHash": self.proof_hash,
        }  # fmt: skip
        return domain, _TYPES, content


class Tree:
    """Digests of leaves by their households' numbers. Raises ValueError for none, or a number that has no place."""

    def __init__(self, digests: Mapping[int, bytes]) -> None:
        if not digests or min(digests) < 1 or max(digests) >= 1 << DEPTH:
            raise ValueError(f"a day's leaves are of households numbered 1 to {(1 << DEPTH) - 1}, and at least one")
        depth = max(digests).bit_length()
        levels = [{place: keccak(b"\0" + digest) for place, digest in digests.items()}]
        for _ in range(depth):
            below = levels[-1]
            above = {place >> 1 for place in below}
            levels.append({p: _node(below.get(2 * p, _EMPTY), below.get(2 * p + 1, _EMPTY)) for p in above})
        self._levels = levels

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def path(self, number: int) -> list[bytes]:
        """The hash beside a household's leaf, and beside each node above it."""
        return [level.get((number >> k) ^ 1, _EMPTY) for k, level in enumerate(self._levels[:-1])]


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(b"\1" + left + right)

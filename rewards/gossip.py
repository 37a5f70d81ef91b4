"""The registry of a training without a server: its terms, what is hashed and signed for it, and its deployment.

Loads no web3 but to deploy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eth_account.messages import encode_intended_validator
from eth_account.signers.local import LocalAccount
from eth_hash.auto import keccak

if TYPE_CHECKING:
    from web3.contract import Contract

    from rewards.chain import Chain

_ETHER = 10**18


@dataclass(frozen=True)
class Terms:
    """What a training's members are bound by; see `contracts/gossip_registry.vy`. Times in seconds."""

    segments: int
    numbers: int  # in a segment
    epochs: int
    fewest: int
    publish_s: int
    reveal_s: int
    leader_s: int
    challenge_s: int
    committee: int
    bond: int = _ETHER // 10  # in the chain's smallest unit
    deposit: int = _ETHER // 100


def commitment_of(epoch: int, member: str, secret: bytes) -> bytes:
    """What a member commits itself to before it reveals its secret (32 bytes)."""
    return keccak(epoch.to_bytes(32, "big") + bytes.fromhex(member[2:]).rjust(32, b"\0") + secret)


def sign_root(account: LocalAccount, registry: str, epoch: int, root: bytes) -> bytes:
    """A member's signature of the root of its blocks, 65 bytes (EIP-191, version 0: for this registry alone)."""
    content = encode_intended_validator(validator_address=registry, primitive=epoch.to_bytes(32, "big") + root)
    return bytes(account.sign_message(content).signature)


def deploy_registry(chain: Chain, account: LocalAccount, community: bytes, households: str, terms: Terms) -> Contract:
    """Deploy the registry of one training. `households`: the forecast registry, whose households may join."""
    from rewards.compile import artefact

    return chain.deploy(
        account, artefact("gossip_registry"), community, households, terms.bond, terms.deposit, terms.fewest,
        terms.segments, terms.numbers, terms.epochs, terms.publish_s, terms.reveal_s, terms.leader_s,
        terms.challenge_s, terms.committee,
    )  # fmt: skip

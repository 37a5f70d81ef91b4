"""The registry of settled periods (`contracts/settlement_registry.vy`): its deployment, its roots, its shares."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from rewards.chain import Chain
from rewards.chain_errors import answer_at
from rewards.compile import artefact

_NAME = "settlement_registry"


def deploy_settlements(chain: Chain, operator: LocalAccount, community: bytes) -> Contract:
    """Deploy the registry. `community`: the 32 bytes that name it in every proof."""
    chain.fund(operator.address)
    return chain.deploy(operator, artefact(_NAME), community)


def settlements_at(chain: Chain, address: str) -> Contract:
    """The registry at an address."""
    return chain.contract(artefact(_NAME), address)


def root_of(registry: Contract, first_day: int, last_day: int, block: int | None = None) -> bytes | None:
    """The root of a period that counts (32 bytes) at a block, the latest by default; None where there is none."""
    call = registry.functions.root_of(first_day, last_day)
    root = bytes(answer_at(call, block))
    return root if any(root) else None


def publish_root(
    chain: Chain, registry: Contract, operator: LocalAccount, days: tuple[int, int], root: bytes, shared_wh: int
) -> bool:
    """Publish the root of a period, from its first to its last day; False where it is the one that counts already.

    Raises Refused, NodeUnreachable.
    """
    if root_of(registry, *days) == root:
        return False
    chain.send(operator, registry.functions.settle(*days, root, shared_wh))
    return True


def is_share(
    registry: Contract, days: tuple[int, int], household: str, side: int, wh: int, proof_hash: bytes,
    path: Sequence[bytes],
) -> bool:  # fmt: skip
    """Whether a household's share of a period is under the root that counts. `side`: 0 taken, 1 fed in."""
    return bool(registry.functions.is_share(*days, household, side, wh, proof_hash, list(path)).call())

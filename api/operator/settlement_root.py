"""The root of a settlement on the chain: in a registry of its own, deployed when the first one is published."""

from __future__ import annotations

import json
from pathlib import Path

from eth_utils.address import is_checksum_address
from web3.contract import Contract

from api.operator.community import Community
from api.protocol.settlement import Settlement
from data.atomic import write_bytes
from data.damage import whole
from rewards.chain import Chain
from rewards.errors import ContractsLost
from rewards.settlements import deploy_settlements, publish_root, settlements_at

REGISTRY = "settlement-registry.json"
"""In the state folder: where the registry is on the chain."""


def publish_settlement(community: Community, chain: Chain, settlement: Settlement) -> str:
    """Publish the settlement's root, unless it is the one that counts already; the registry's address.

    Raises ChainError, DamagedFile.
    """
    registry = _registry(community, chain)
    of = settlement.period
    publish_root(chain, registry, community.operator, (of.first, of.last), settlement.root, of.shared_wh)
    return str(registry.address)


def registry_address(path: Path) -> str:
    """The address that a file of this module names. Raises DamagedFile, OSError."""
    with whole(path, "the address of a settlement registry"):
        address = json.loads(path.read_text(encoding="utf-8"))["settlement_registry"]
        if not is_checksum_address(address):
            raise ValueError("no address")
    return str(address)


def _registry(community: Community, chain: Chain) -> Contract:
    path = community.folder / REGISTRY
    if path.exists():
        address = registry_address(path)
        if not chain.has_code(address):
            raise ContractsLost(
                f"the chain has no settlement registry at {address}, which {path} names: it is of another chain, or "
                "the embedded chain's files are not what they were. Put those that belong together back from your "
                "backup"
            )
        return settlements_at(chain, address)
    made = deploy_settlements(chain, community.operator, community.config.community.identifier)
    write_bytes(path, json.dumps({"settlement_registry": str(made.address)}).encode())
    return made

"""The root of a settlement on the chain: in a registry of its own, deployed when the first one is published."""

from __future__ import annotations

from web3.contract import Contract

from api.operator.community import Community
from api.operator.own_contract import OwnContract
from api.protocol.settlement import Settlement
from rewards.chain import Chain
from rewards.settlements import deploy_settlements, publish_root, root_of, settlements_at

REGISTRY = "settlement-registry.json"
"""In the state folder: where the registry is on the chain."""
_CONTRACT = OwnContract(REGISTRY, "settlement_registry", "a settlement registry")
registry_address = _CONTRACT.address_in


def publish_settlement(community: Community, chain: Chain, settlement: Settlement) -> str:
    """Publish the settlement's root, unless it is the one that counts already; the registry's address.

    Raises ChainError, DamagedFile.
    """
    registry = _registry(community, chain)
    of = settlement.period
    publish_root(chain, registry, community.operator, (of.first, of.last), settlement.root, of.shared_wh)
    return str(registry.address)


def is_published(community: Community, chain: Chain, settlement: Settlement, block: int | None = None) -> bool:
    """Whether the settlement's root is the one that counts, at a block (the latest by default).

    Raises DamagedFile, NodeUnreachable.
    """
    of, registry = settlement.period, settlement_registry(community, chain, block)
    return registry is not None and root_of(registry, of.first, of.last, block) == settlement.root


def settlement_registry(community: Community, chain: Chain, block: int | None = None) -> Contract | None:
    """The community's registry of settlements, if there is one at a block (None: the latest).

    Raises DamagedFile, NodeUnreachable.
    """
    return _CONTRACT.there(community, chain, settlements_at, block)


def _registry(community: Community, chain: Chain) -> Contract:
    def deploy() -> Contract:
        return deploy_settlements(chain, community.operator, community.config.community.identifier)

    return _CONTRACT.of(community, chain, settlements_at, deploy)

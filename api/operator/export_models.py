"""The models of export on the chain: in a model registry of their own, deployed when the first is published.

The same contract as that of load (`rewards/contracts/model_registry.vy`): a round's digest is set once, in the order
of the rounds, with the time. So an auditor can tell that a day's forecasts were made by a model that stood before it.
"""

from __future__ import annotations

from web3.contract import Contract

from api.operator.community import Community
from api.operator.own_contract import OwnContract
from rewards.chain import Chain
from rewards.compile import artefact

REGISTRY = "export-model-registry.json"
"""In the state folder: where the registry is on the chain."""
_NAME = "model_registry"
_CONTRACT = OwnContract(REGISTRY, "export_model_registry", "a registry of models of export")
registry_address = _CONTRACT.address_in


def publish_export_model(community: Community, chain: Chain, number: int, digest: bytes) -> str:
    """Publish the digest of a round's model of export, unless it is published; the registry's address.

    Raises Refused where the registry has another model for that round or a later one; ChainError, DamagedFile.
    """
    registry = _registry(community, chain)
    if bytes(registry.functions.digest_of(number).call()) != digest:
        chain.send(community.operator, registry.functions.publish(number, digest))
    return str(registry.address)


def export_models_at(chain: Chain, address: str) -> Contract:
    """The registry at an address."""
    return chain.contract(artefact(_NAME), address)


def export_model_registry(community: Community, chain: Chain) -> Contract | None:
    """The community's registry of models of export, if there is one. Raises DamagedFile, NodeUnreachable."""
    return _CONTRACT.there(community, chain, export_models_at, None)


def _registry(community: Community, chain: Chain) -> Contract:
    def deploy() -> Contract:
        chain.fund(community.operator.address)
        return chain.deploy(community.operator, artefact(_NAME))

    return _CONTRACT.of(community, chain, export_models_at, deploy)

"""The models of export on the chain: in a model registry of their own, deployed when the first is published.

The same contract as that of load (`rewards/contracts/model_registry.vy`): a round's digest is set once, in the order
of the rounds, with the time. So an auditor can tell that a day's forecasts were made by a model that stood before it.
"""

from __future__ import annotations

import json
from pathlib import Path

from eth_utils.address import is_checksum_address
from web3.contract import Contract

from api.operator.community import Community
from data.atomic import write_bytes
from data.damage import whole
from rewards.chain import Chain
from rewards.compile import artefact
from rewards.errors import ContractsLost

REGISTRY = "export-model-registry.json"
"""In the state folder: where the registry is on the chain."""
_NAME = "model_registry"


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


def registry_address(path: Path) -> str:
    """The address that the file of this module names. Raises DamagedFile, OSError."""
    with whole(path, "the address of a registry of models of export"):
        address = json.loads(path.read_text(encoding="utf-8"))["export_model_registry"]
        if not is_checksum_address(address):
            raise ValueError("no address")
    return str(address)


def _registry(community: Community, chain: Chain) -> Contract:
    path = community.folder / REGISTRY
    if path.exists():
        address = registry_address(path)
        if not chain.has_code(address):
            raise ContractsLost(
                f"the chain has no registry of models of export at {address}, which {path} names: it is of another "
                "chain, or the embedded chain's files are not what they were. Put those that belong together back "
                "from your backup"
            )
        return export_models_at(chain, address)
    chain.fund(community.operator.address)
    made = chain.deploy(community.operator, artefact(_NAME))
    write_bytes(path, json.dumps({"export_model_registry": str(made.address)}).encode())
    return made

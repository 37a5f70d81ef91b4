"""Whether the contracts on a chain are this version's: everything is compiled anew and compared, byte by byte."""

from __future__ import annotations

from rewards.chain import Chain
from rewards.compile import artefact
from rewards.deploy import INFERENCE, NAMES, VERIFIER, Contracts
from rewards.inference_verifier import is_inference_verifier
from rewards.verifier import ceremony_code, program_code

_WORD = 32


def differences(chain: Chain, contracts: Contracts, community: bytes) -> list[str]:
    """What differs, in words; empty if every contract is this version's and they refer to each other.

    A contract's constructor arguments follow its code: of these, the verifier's parts are compared.
    """
    addresses = contracts.addresses
    wrong = [f"the code of {name}" for name in NAMES if not _is_code_of(chain, name, getattr(addresses, name))]
    if contracts.skill_verifier is None or addresses.skill_verifier is None:
        return [*wrong, "there is no verifier on the chain: the auditor's key is trusted"]
    if not _is_code_of(chain, VERIFIER, addresses.skill_verifier):
        wrong.append(f"the code of {VERIFIER}")
    if wrong:
        return wrong  # what they are made of can't be asked of other contracts, or of none
    if contracts.rewards.functions.VERIFIER().call() != addresses.skill_verifier:
        wrong.append("the verifier that rewards asks")
    parts = contracts.skill_verifier.functions
    if bytes(parts.COMMUNITY().call()) != community:
        wrong.append("the verifier's community")
    if _code(chain, parts.PROGRAM().call()) != program_code():
        wrong.append("the verifier's program")
    if _code(chain, parts.CEREMONY().call()) != ceremony_code():
        wrong.append("the ceremony's points")
    for name, address, personal in zip(INFERENCE, contracts.inference_verifiers, (False, True), strict=True):
        if address is not None and not is_inference_verifier(chain, address, community, personal=personal):
            wrong.append(f"the code of {name}, or of what it asks")
    return wrong


def _code(chain: Chain, address: str) -> bytes:
    return bytes(chain.web3.eth.get_code(chain.web3.to_checksum_address(address)))


def _is_code_of(chain: Chain, name: str, address: str) -> bool:
    """Whether the code is the contract's, with whole words behind it that it was given."""
    expected, found = bytes.fromhex(artefact(name).runtime.removeprefix("0x")), _code(chain, address)
    return found.startswith(expected) and (len(found) - len(expected)) % _WORD == 0

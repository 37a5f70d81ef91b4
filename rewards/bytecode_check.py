"""Whether the contracts on a chain are this version's: everything is compiled anew and compared, byte by byte."""

from __future__ import annotations

from rewards.chain import Chain
from rewards.compile import artefact
from rewards.deploy import CHALLENGES, GREEN, INFERENCE, NAMES, VERIFIER, Contracts
from rewards.inference_verifier import form, is_inference_verifier, shape_at
from rewards.verifier import ceremony_code, green_program_code, program_code
from zkp.lstm.weights import digest_prefix

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
    return wrong + ([] if wrong else [*_of_challenges(chain, contracts), *_of_green(chain, contracts, community)])


def other_codes(chain: Chain, contracts: Contracts) -> list[str]:
    """Which contracts and programs of a deployment have other code than this version's; each is looked at.

    A contract whose own code is another one is not asked what it refers to.
    """
    deployed = {name: getattr(contracts, name) for name in (*NAMES, VERIFIER, CHALLENGES, GREEN)}
    found = {name: contract for name, contract in deployed.items() if contract is not None}
    wrong = [name for name, contract in found.items() if not _is_code_of(chain, name, str(contract.address))]
    for name, own_program in ((VERIFIER, program_code), (GREEN, green_program_code)):
        if name in found and name not in wrong:
            asked = found[name].functions
            parts = {"program": (asked.PROGRAM, own_program), "ceremony": (asked.CEREMONY, ceremony_code)}
            wrong += [f"{name}'s {part}" for part, (at, own) in parts.items() if _code(chain, at().call()) != own()]
    if contracts.skill_verifier is not None and VERIFIER not in wrong:
        community = bytes(contracts.skill_verifier.functions.COMMUNITY().call())
        for name, address, personal in zip(INFERENCE, contracts.inference_verifiers, (False, True), strict=True):
            if address is not None and not is_inference_verifier(chain, address, community, personal=personal):
                wrong.append(name)
    return wrong


def _of_green(chain: Chain, contracts: Contracts, community: bytes) -> list[str]:
    """What is not as it should be about green shares; the record and the skill verifier are this version's."""
    named, green = contracts.household_nft.functions.green().call(), contracts.green_share
    if green is None:
        return ["who notes green days"] if int(named, 16) else []
    if not _is_code_of(chain, GREEN, str(green.address)):
        return [f"the code of {GREEN}"]
    wrong = [] if named == green.address else ["who notes green days"]
    if contracts.rewards.functions.GREEN().call() != green.address:
        wrong.append("the green shares that rewards pays")
    asked = green.functions
    registries = asked.FORECASTS().call(), asked.RECORD().call()
    if registries != (contracts.forecast_registry.address, contracts.household_nft.address):
        wrong.append("the contracts that green shares ask")
    if bytes(asked.COMMUNITY().call()) != community:
        wrong.append("the community of green shares")
    if _code(chain, asked.PROGRAM().call()) != green_program_code():
        wrong.append("the program of green shares")
    if _code(chain, asked.CEREMONY().call()) != ceremony_code():
        wrong.append("the ceremony's points of green shares")
    return wrong


def _of_challenges(chain: Chain, contracts: Contracts) -> list[str]:
    """What is not as it should be about the challenges of forecasts; the inference verifiers are this version's."""
    asked = contracts.rewards.functions.CHALLENGES().call()
    if contracts.challenges is None:
        return ["the challenges that rewards asks"] if int(asked, 16) else []
    wrong = [] if _is_code_of(chain, CHALLENGES, contracts.challenges.address) else [f"the code of {CHALLENGES}"]
    if asked != contracts.challenges.address:
        wrong.append("the challenges that rewards asks")
    functions = contracts.challenges.functions
    for number, address in enumerate(contracts.inference_verifiers):
        shape = None if address is None else shape_at(chain, address)
        if shape is None or address is None:
            wrong.append("the inference verifiers that challenges ask")
        elif tuple(functions.forms(number).call()) != form(shape, address, personal=bool(number)):
            wrong.append("what challenges know of an inference verifier")
        elif bytes(functions.prefix().call()) != digest_prefix(shape):
            wrong.append("the shape that challenges know")
        elif functions.HORIZON().call() != shape.horizon:
            wrong.append("the horizon that challenges know")
    registries = functions.FORECASTS().call(), functions.MODELS().call()
    if registries != (contracts.forecast_registry.address, contracts.model_registry.address):
        wrong.append("the registries that challenges ask")
    return wrong


def _code(chain: Chain, address: str) -> bytes:
    return bytes(chain.web3.eth.get_code(chain.web3.to_checksum_address(address)))


def _is_code_of(chain: Chain, name: str, address: str) -> bool:
    """Whether the code is the contract's, with whole words behind it that it was given."""
    expected, found = bytes.fromhex(artefact(name).runtime.removeprefix("0x")), _code(chain, address)
    return found.startswith(expected) and (len(found) - len(expected)) % _WORD == 0

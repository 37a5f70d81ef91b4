"""The community's contracts: deployed once, found again by their addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address, to_checksum_address
from web3.contract import Contract

from data.json_text import loads
from rewards import verifier
from rewards.chain import Chain
from rewards.compile import Artefact, artefact
from rewards.errors import ContractsLost, NoPrecompiles, OutdatedContracts
from rewards.inference_verifier import deploy_inference_verifier, form
from rewards.settings import RewardSettings
from zkp.evm.assembler import creation
from zkp.lstm.integer_model import Shape
from zkp.lstm.weights import digest_prefix

_OTHER_FILES = (
    "contracts.json is of another chain, or the embedded chain's files (chain.jsonl, chain.start) are not what they "
    "were. Put those that belong together back from your backup"
)
_ANOTHER_NODE = (
    "the node was started with an empty chain, or it is another chain's. Start it with its own data again, or "
    "correct rewards.rpc_url; contracts.json stays as it is"
)
NAMES = ("model_registry", "forecast_registry", "reward_token", "household_nft", "rewards")
LAST = ("rewards",)
"""Deployed after all others: where it is, they are."""
VERIFIER = "skill_verifier"
INFERENCE = ("inference_verifier", "personal_inference_verifier")
BLOCK = "block"
CHALLENGES = "challenges"
GREEN = "green_share"
_NOBODY = "0x" + 40 * "0"
_OPTIONAL = (VERIFIER, CHALLENGES, GREEN, *INFERENCE)


@dataclass(frozen=True)
class Addresses:
    """Where the contracts are, and since which block; no verifier where an auditor's key stands in for it."""

    model_registry: str
    forecast_registry: str
    reward_token: str
    household_nft: str
    rewards: str
    skill_verifier: str | None
    block: int
    challenges: str | None = None
    green_share: str | None = None
    inference_verifier: str | None = None
    personal_inference_verifier: str | None = None

    def to_json(self) -> bytes:
        """What `read` reads."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def read(cls, path: Path) -> Addresses:
        """Raises ContractsLost for a file that is damaged, OutdatedContracts for one of another version."""
        try:
            content = loads(path.read_bytes())
            absent = [(name, None) for name in _OPTIONAL]
            known = [(BLOCK, at) for at in [content.get(BLOCK)] if isinstance(at, int) and at >= 0]
            strange = [name for name, at in content.items() if not (is_address(at) or (name, at) in absent + known)]
        except (ValueError, AttributeError):
            raise _lost(path, "it is not a list of contracts") from None
        if content.keys() != {*NAMES, *_OPTIONAL, BLOCK}:
            raise OutdatedContracts(
                f"{path} names other contracts than this version's ({', '.join((*NAMES, *_OPTIONAL))}): "
                "another "
                "version wrote it; claim open days with that one, then run `wattproof migrate`, which puts it aside"
            )
        if strange:
            raise _lost(path, f"there is no address for {', '.join(strange)}")
        return cls(**content)


def _lost(path: Path, problem: str) -> ContractsLost:
    return ContractsLost(
        f"{path} is damaged: {problem}. It tells where the community's contracts are on the chain: keep it, and put "
        "a copy from your backup in its place"
    )


@dataclass(frozen=True)
class Contracts:
    """The contracts, ready to call. `block`: before the first of them was deployed, where their events begin."""

    model_registry: Contract
    forecast_registry: Contract
    reward_token: Contract
    household_nft: Contract
    rewards: Contract
    skill_verifier: Contract | None
    block: int = 0
    inference_verifiers: tuple[str | None, str | None] = (None, None)  # addresses: without and with personal heads
    challenges: Contract | None = None
    green_share: Contract | None = None

    @classmethod
    def of(cls, chain: Chain, addresses: Addresses) -> Contracts:
        known = {name: chain.contract(artefact(name), getattr(addresses, name)) for name in NAMES}
        where = addresses.skill_verifier
        verifier = chain.contract(artefact(VERIFIER), where) if where else None
        inference = addresses.inference_verifier, addresses.personal_inference_verifier
        where = addresses.challenges
        challenges = chain.contract(artefact(CHALLENGES), where) if where else None
        where = addresses.green_share
        green = chain.contract(artefact(GREEN), where) if where else None
        return cls(
            **known, skill_verifier=verifier, block=addresses.block, inference_verifiers=inference,
            challenges=challenges, green_share=green,
        )  # fmt: skip

    def check_there(self, chain: Chain, names: Sequence[str] = NAMES) -> None:
        """Raises ContractsLost where the chain has no contract at one of the addresses."""
        for name in names:
            address = getattr(self, name).address
            if not chain.has_code(address):
                why = _ANOTHER_NODE if chain.tester is None else _OTHER_FILES
                raise ContractsLost(f"the chain has no contract {name} at {address}: {why}")

    def check_reachable(self, chain: Chain) -> None:
        """`check_there` in a question or two, for whoever asks often. Raises ContractsLost, NodeUnreachable."""
        chain.check_id()
        self.check_there(chain, LAST)

    @property
    def addresses(self) -> Addresses:
        known = {name: str(getattr(self, name).address) for name in NAMES}
        verifier = str(self.skill_verifier.address) if self.skill_verifier else None
        plain, personal = self.inference_verifiers
        return Addresses(
            **known, skill_verifier=verifier, block=self.block,
            challenges=str(self.challenges.address) if self.challenges else None,
            green_share=str(self.green_share.address) if self.green_share else None, inference_verifier=plain,
            personal_inference_verifier=personal,
        )  # fmt: skip


def deploy(
    chain: Chain,
    operator: LocalAccount,
    settings: RewardSettings,
    day_start_utc: int,
    community: bytes,
    shape: Shape | None = None,
) -> Contracts:
    """Deploy all of them; only the rewards contract can mint tokens and change records afterwards, or one that is
    announced a week before.

    `community`: the 32 bytes that name it in every proof; `shape`: of its model, for the inference verifiers.
    """
    chain.fund(operator.address)
    block = chain.block
    authority = to_checksum_address(settings.meter_authority or operator.address)
    by_contract = settings.verifier == "contract"
    skill_verifier = deploy_verifier(chain, operator, community) if by_contract else None
    models = chain.deploy(operator, artefact("model_registry"))
    forecasts = chain.deploy(
        operator,
        artefact("forecast_registry"),
        models.address,
        day_start_utc * 3600,
        settings.grace_seconds,
        authority,
    )
    token = chain.deploy(operator, artefact("reward_token"))
    record = chain.deploy(operator, artefact("household_nft"), day_start_utc * 3600)
    terms = settings.terms
    checker = skill_verifier.address if skill_verifier else _NOBODY
    inference: tuple[str | None, str | None] = (None, None)
    challenges = None
    if by_contract and shape is not None:
        plain, personal = (
            deploy_inference_verifier(chain, operator, community, shape, personal=own) for own in (False, True)
        )
        inference = plain, personal
        challenges = chain.deploy(
            operator, artefact(CHALLENGES), forecasts.address, models.address, settings.challenge_bond,
            digest_prefix(shape), shape.horizon,
            [form(shape, plain, personal=False), form(shape, personal, personal=True)],
        )  # fmt: skip
    doubts = challenges.address if challenges else _NOBODY
    green = (
        None
        if skill_verifier is None
        else _deploy_green(chain, operator, settings, forecasts, record, skill_verifier)
    )
    parts = forecasts.address, token.address, record.address, checker, doubts, green.address if green else _NOBODY
    amounts = terms.day_budget, terms.rate, terms.day_cap, terms.year_cap
    rewards = chain.deploy(operator, artefact("rewards"), *parts, *amounts)
    for minted in (token, record):
        chain.send(operator, minted.functions.propose_minter(rewards.address))
    return Contracts(models, forecasts, token, record, rewards, skill_verifier, block, inference, challenges, green)


def _deploy_green(
    chain: Chain,
    operator: LocalAccount,
    settings: RewardSettings,
    forecasts: Contract,
    record: Contract,
    skill_verifier: Contract,
) -> Contract:
    """The contract for green shares, for the community of the skill verifier, whose ceremony's points it shares."""
    program = chain.deploy(operator, Artefact("green_program", [], creation(verifier.green_program_code()).hex()))
    asked = skill_verifier.functions
    shared = asked.COMMUNITY().call(), program.address, asked.CEREMONY().call()
    amounts = settings.green_budget, settings.green_amount
    green = chain.deploy(operator, artefact(GREEN), forecasts.address, record.address, *shared, *amounts)
    chain.send(operator, record.functions.appoint_green(green.address))
    return green


def deploy_verifier(chain: Chain, operator: LocalAccount, community: bytes) -> Contract:
    """The skill verifier with the program and the points that it works with. Raises NoPrecompiles."""
    if not chain.has_pairings:
        raise NoPrecompiles(
            "the chain has no precompiles for BLS12-381 (EIP-2537, Prague), which the skill verifier needs: take "
            "another chain, or set rewards.verifier to auditor and believe the operator's key about skill proofs"
        )
    codes = verifier.creation_codes()
    program, ceremony = (
        chain.deploy(operator, Artefact(name, [], code.hex())).address
        for name, code in zip(("skill_program", "ceremony"), codes, strict=True)
    )
    return chain.deploy(operator, artefact(VERIFIER), community, program, ceremony)

"""The community's contracts: deployed once, found again by their addresses."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from rewards.chain import Chain
from rewards.compile import artefact
from rewards.settings import RewardSettings

NAMES = ("model_registry", "forecast_registry", "reward_token", "household_nft", "rewards")


@dataclass(frozen=True)
class Addresses:
    """Where the contracts are."""

    model_registry: str
    forecast_registry: str
    reward_token: str
    household_nft: str
    rewards: str

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> Addresses:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Contracts:
    """The five contracts, ready to call."""

    model_registry: Contract
    forecast_registry: Contract
    reward_token: Contract
    household_nft: Contract
    rewards: Contract

    @classmethod
    def of(cls, chain: Chain, addresses: Addresses) -> Contracts:
        return cls(**{name: chain.contract(artefact(name), getattr(addresses, name)) for name in NAMES})

    @property
    def addresses(self) -> Addresses:
        return Addresses(**{name: str(getattr(self, name).address) for name in NAMES})


def deploy(chain: Chain, operator: LocalAccount, settings: RewardSettings, day_start_utc: int) -> Contracts:
    """Deploy all five; only the rewards contract can mint tokens and change records afterwards."""
    chain.fund(operator.address)
    models = chain.deploy(operator, artefact("model_registry"))
    forecasts = chain.deploy(
        operator, artefact("forecast_registry"), models.address, day_start_utc * 3600, settings.grace_seconds
    )
    token = chain.deploy(operator, artefact("reward_token"))
    record = chain.deploy(operator, artefact("household_nft"))
    amounts = settings.base_amount, settings.amount_per_percent
    rewards = chain.deploy(operator, artefact("rewards"), forecasts.address, token.address, record.address, *amounts)
    chain.send(operator, token.functions.set_minter(rewards.address, True))
    chain.send(operator, token.functions.transfer_ownership(rewards.address))
    chain.send(operator, record.functions.transfer_ownership(rewards.address))
    return Contracts(models, forecasts, token, record, rewards)

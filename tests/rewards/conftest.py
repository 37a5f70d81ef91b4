"""One embedded chain with the community's contracts, reset after every test."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from rewards.chain import Chain
from rewards.deploy import Contracts, deploy
from rewards.settings import RewardSettings

DAY = 17_000
DAY_START_UTC = 8
DAY_START = DAY * 86_400 + DAY_START_UTC * 3600


def account(number: int) -> LocalAccount:
    return Account.from_key(number.to_bytes(32, "big"))


@dataclass
class Town:
    chain: Chain
    contracts: Contracts
    operator: LocalAccount
    household: LocalAccount
    meter: LocalAccount


@pytest.fixture(scope="session")
def deployed() -> Town:
    chain = Chain.embedded(start_time=DAY_START - 5 * 86_400)
    operator, household, meter = account(1), account(2), account(3)
    contracts = deploy(chain, operator, RewardSettings(), DAY_START_UTC)
    chain.fund(household.address)
    chain.send(operator, contracts.model_registry.functions.publish(1, b"\x01" * 32))
    chain.send(operator, contracts.forecast_registry.functions.enrol(household.address, meter.address))
    return Town(chain, contracts, operator, household, meter)


@pytest.fixture
def town(deployed: Town) -> Iterator[Town]:
    snapshot, moment = deployed.chain.tester.take_snapshot(), deployed.chain.now
    deployed.chain.advance_to(moment + 1)
    yield deployed
    deployed.chain.tester.revert_to_snapshot(snapshot)
    deployed.chain.reset_clock(moment)

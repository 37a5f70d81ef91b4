"""One embedded chain with the community's contracts, reset after every test; a household's day, proven for real."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from data.meter import DOMAIN, TYPES
from rewards.chain import Chain
from rewards.deploy import Contracts, deploy
from rewards.settings import RewardSettings
from rewards.verifier import ordinates
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import commit_day, commit_forecast
from zkp.statements import skill
from zkp.statements.context import Context

DAY = 17_000
DAY_START_UTC = 8
DAY_START = DAY * 86_400 + DAY_START_UTC * 3600
COMMUNITY = b"\x0c" * 32
TIER = 20


def account(number: int) -> LocalAccount:
    return Account.from_key(number.to_bytes(32, "big"))


@dataclass(frozen=True)
class Proven:
    """A day on which a household was a fifth better than the naive forecast, and the proof of it."""

    statement: skill.Statement
    secrets: skill.Secrets
    proof: bytes

    @property
    def ordinates(self) -> bytes:
        return ordinates(self.statement, self.proof)


@cache
def proven(day: int = DAY, round: int = 1, household: int = 2) -> Proven:
    actual = [1000 + 10 * hour for hour in range(24)]
    forecast, naive = [a + 80 for a in actual] * 2, [a - 100 for a in actual]
    secrets = skill.Secrets(forecast, actual, naive, 5, 6, 7)
    statement = skill.Statement(
        Context(COMMUNITY, bytes.fromhex(account(household).address[2:]), day, round),
        commit_forecast(forecast, 5),
        commit_day(day, actual, 6),
        commit_day(day - 7, naive, 7),
        TIER,
    )
    return Proven(statement, secrets, skill.prove(statement, secrets, random=seeded(1)))


def signature(day: int, commitment: bytes, household: int = 2, signer: int = 3) -> bytes:
    """A meter's, of a day's commitment."""
    content = {"household": account(household).address, "day": day, "commitment": commitment}
    return bytes(account(signer).sign_message(encode_typed_data(DOMAIN, TYPES, content)).signature)


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
    return founded(chain, RewardSettings())


def founded(chain: Chain, settings: RewardSettings) -> Town:
    operator, household, meter = account(1), account(2), account(3)
    contracts = deploy(chain, operator, settings, DAY_START_UTC, COMMUNITY)
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

"""One embedded chain with the community's contracts, reset after every test; a household's day, proven for real."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from data.meter import ALL_MEASURED, DOMAIN, FILLED_TYPES, TYPES
from rewards.chain import Chain
from rewards.consent import sign_statement
from rewards.deploy import Contracts, deploy
from rewards.membership import membership, pass_on
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
BUCKETS = 28
"""What `proven` avoids: an error of 80 Wh an hour beside one of 200, (4800 - 1920) / 100."""


def account(number: int) -> LocalAccount:
    return Account.from_key(number.to_bytes(32, "big"))


@dataclass(frozen=True)
class Proven:
    """A day on which a household's forecast was nearer than every benchmark, and the proof of it."""

    statement: skill.Statement
    secrets: skill.Secrets
    proof: bytes

    @property
    def ordinates(self) -> bytes:
        return ordinates(self.statement, self.proof)


LEVEL = tuple(5000 + 10 * hour for hour in range(24))
"""A load that is nearly the same in every hour, Wh."""


@cache
def proven(day: int = DAY, round: int = 1, household: int = 2, load: tuple[int, ...] = LEVEL) -> Proven:
    actual = list(load)
    forecast = [a + 80 for a in actual] * 2
    past = [[a - 200 - 10 * k for a in actual] for k in range(7)]
    secrets = skill.Secrets(forecast, actual, past, 5, 6, 7 * 7)
    statement = skill.Statement(
        Context(COMMUNITY, bytes.fromhex(account(household).address[2:]), day, round),
        commit_forecast(forecast, 5),
        commit_day(day, actual, 6),
        tuple(commit_day(day - back, readings, 7) for back, readings in zip(skill.BENCHMARK_DAYS, past, strict=True)),
        BUCKETS,
    )
    return Proven(statement, secrets, skill.prove(statement, secrets, random=seeded(1)))


def signature(
    day: int, commitment: bytes, household: int = 2, signer: int = 3, measured: int = ALL_MEASURED
) -> bytes:
    """A meter's, of a day's commitment; `measured`: the hours that were not filled in."""
    content = {"household": account(household).address, "day": day, "commitment": commitment}
    message = encode_typed_data(DOMAIN, TYPES["load"], content)
    if measured != ALL_MEASURED:
        message = encode_typed_data(DOMAIN, FILLED_TYPES["load"], content | {"measured": measured})
    return bytes(account(signer).sign_message(message).signature)


def signatures(case: Proven, **by: int) -> tuple[bytes, ...]:
    """A meter's, of all eight days of a claim."""
    s = case.statement
    days = [s.context.day, *(s.context.day - back for back in skill.BENCHMARK_DAYS)]
    return tuple(signature(day, c, **by) for day, c in zip(days, (s.actual, *s.benchmarks), strict=True))


@dataclass
class Town:
    chain: Chain
    contracts: Contracts
    operator: LocalAccount
    household: LocalAccount
    meter: LocalAccount


@pytest.fixture(scope="session")
def deployed() -> Town:
    chain = Chain.embedded(start_time=DAY_START - 2 * 86_400)
    return founded(chain, RewardSettings())


def founded(chain: Chain, settings: RewardSettings) -> Town:
    operator, household, meter = account(1), account(2), account(3)
    contracts = deploy(chain, operator, settings, DAY_START_UTC, COMMUNITY)
    chain.fund(household.address)
    chain.send(operator, contracts.model_registry.functions.publish(1, b"\x01" * 32))
    registry = contracts.forecast_registry.functions
    chain.send(operator, registry.assign_meter(household.address, meter.address, DAY - 60))
    town = Town(chain, contracts, operator, household, meter)
    enrol(town, household)
    return town


def enrol(town: Town, household: LocalAccount) -> None:
    """The household signs, the operator sends it."""
    facts = membership(town.chain, town.contracts, household.address, invited=True)
    pass_on(town.chain, town.contracts, town.operator, sign_statement(household, "enrolment", facts))


@pytest.fixture
def town(deployed: Town) -> Iterator[Town]:
    snapshot, moment = deployed.chain.tester.take_snapshot(), deployed.chain.now
    deployed.chain.advance_to(moment + 1)
    yield deployed
    deployed.chain.tester.revert_to_snapshot(snapshot)
    deployed.chain.reset_clock(moment)

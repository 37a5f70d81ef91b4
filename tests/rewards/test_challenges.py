"""No forecast but the model's: an inference proof answers a challenge on the chain, or the forecast is void."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from eth_hash.auto import keccak

from data.meter import ALL_MEASURED
from rewards.answers import Answer
from rewards.bytecode_check import differences
from rewards.chain import Chain
from rewards.challenge_client import answer_data
from rewards.challenges import (
    answer_call,
    challenge,
    challenge_of,
    features_digest,
    open_challenges,
    publish_features,
    send_answer,
)
from rewards.claims import CLAIM_GAS, Claim, claim_call
from rewards.deploy import deploy
from rewards.errors import (
    AnotherForecast,
    ChallengeRefused,
    ProofRefused,
    Refused,
    VoidForecast,
    WrongHead,
    WrongMeter,
)
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD
from tests.rewards.conftest import (
    BUCKETS,
    COMMUNITY,
    DAY_START_UTC,
    Town,
    account,
    enrol,
    proven,
    signature,
    signatures,
)
from tests.zkp.conftest import FIRST_DAY, honest
from zkp.algebra.commitment import RING_DAYS, add, commit_day, window_days
from zkp.algebra.field import MODULUS
from zkp.statements import inference
from zkp.statements.context import Context

pytestmark = pytest.mark.slow

DAY, SECONDS = FIRST_DAY, 86_400
START = DAY * SECONDS + DAY_START_UTC * 3600


@dataclass(frozen=True)
class Doubted:
    """A community with a registered forecast, and what answers for it."""

    town: Town
    answer: Answer

    @property
    def who(self) -> str:
        return self.town.household.address

    def challenge(self, by: int = 9) -> None:
        self.town.chain.fund(account(by).address)
        challenge(self.town.chain, self.town.contracts, account(by), self.who, DAY)

    def send(self, answer: Answer | None = None, by: int = 8) -> None:
        self.town.chain.fund(account(by).address)
        send_answer(self.town.chain, self.town.contracts, account(by), answer or self.answer)

    def balance(self, of: int) -> int:
        return int(self.town.chain.web3.eth.get_balance(account(of).address))


@pytest.fixture(scope="module")
def made() -> Doubted:
    return registered()


def registered(horizon: int = 1, made_for: int | None = None) -> Doubted:
    """A community of a horizon, with a registered forecast, made for that one unless told otherwise."""
    made_for = horizon if made_for is None else made_for
    home, household = honest(horizon=made_for), account(2)
    shape = honest(horizon=horizon).model.shape
    chain = Chain.embedded(start_time=START - 2 * SECONDS + 100)
    contracts = deploy(chain, account(1), RewardSettings(), DAY_START_UTC, COMMUNITY, shape)
    chain.fund(household.address)
    town = Town(chain, contracts, account(1), household, account(3))
    context = Context(COMMUNITY, bytes.fromhex(household.address[2:]), DAY, 1)
    statement = replace(home.statement, context=context)
    proof = inference.prove(statement, home.trace, home.model.weights, home.secrets)
    readings = np.split(home.history[0], RING_DAYS)
    blindings = [k + 1 for k in range(RING_DAYS - 1)]
    blindings.append((home.secrets.windows[0] - sum(blindings)) % MODULUS)
    week = window_days(DAY, made_for)
    days = [
        commit_day(day, values.tolist(), blinding)
        for day, values, blinding in zip(week, readings, blindings, strict=True)
    ]
    assert add(days) == statement.windows[0]
    signed = [signature(day, commitment) for day, commitment in zip(week, days, strict=True)]
    chain.send(
        account(1), contracts.model_registry.functions.publish(1, honest(horizon=horizon).statement.weights.digest())
    )
    registry = contracts.forecast_registry.functions
    chain.send(account(1), registry.assign_meter(household.address, account(3).address, 0))
    enrol(town, household)
    publish_features(chain, contracts, account(1), DAY, features_digest(statement.steps, statement.exogenous))
    chain.send(household, registry.submit(DAY, 1, NO_HEAD, statement.forecasts[0], keccak(proof)))
    return Doubted(town, Answer(statement, proof, days, signed, [ALL_MEASURED] * RING_DAYS))


@pytest.fixture
def doubted(made: Doubted) -> Iterator[Doubted]:
    chain = made.town.chain
    snapshot, moment = chain.tester.take_snapshot(), chain.now
    chain.advance_to(moment + 1)
    yield made
    chain.tester.revert_to_snapshot(snapshot)
    chain.reset_clock(moment)


def bond(doubted: Doubted) -> int:
    return int(doubted.town.contracts.challenges.functions.BOND().call())  # type: ignore[union-attr]


def test_the_inference_proof_answers_and_takes_the_bond(doubted: Doubted) -> None:
    doubted.challenge()
    assert [(c.household, c.day) for c in open_challenges(doubted.town.contracts, 0)] == [(doubted.who, DAY)]
    doubted.town.chain.fund(account(8).address)
    before = doubted.balance(8)
    doubted.send()
    gas = doubted.town.chain.gas["answer"][-1]
    assert gas <= 3_000_000
    assert doubted.balance(8) > before + bond(doubted) - 10**16 / 2, "the bond covers the gas"
    found = challenge_of(doubted.town.contracts, doubted.who, DAY)
    assert found is not None and found.answered
    assert not list(open_challenges(doubted.town.contracts, 0))
    doubted.town.chain.advance_to(START + 30 * SECONDS)
    assert not doubted.town.contracts.challenges.functions.is_void(doubted.who, DAY).call()  # type: ignore[union-attr]
    with pytest.raises(ChallengeRefused, match="challenged before"):
        doubted.challenge()


def test_hours_that_the_meter_signed_as_filled_in_can_be_answered_with_and_no_others(doubted: Doubted) -> None:
    """The attack: say of a filled hour that it was measured, or of a measured one that it was filled in."""
    answer, at, mask = doubted.answer, 4, ALL_MEASURED & ~(1 << 23 | 1)
    signed, measured = list(answer.signatures), list(answer.measured)
    signed[at] = signature(DAY - RING_DAYS + at, answer.days[at], measured=mask)
    measured[at] = mask
    doubted.challenge()
    for forged in (
        replace(answer, signatures=signed),
        replace(answer, measured=measured),
        replace(answer, signatures=signed, measured=[mask, *measured[1:]]),
        replace(answer, signatures=signed, measured=measured[::-1]),
    ):
        with pytest.raises(WrongMeter):
            doubted.send(forged)
    doubted.send(replace(answer, signatures=signed, measured=measured))


def test_an_answer_without_web3_is_the_very_same_call(doubted: Doubted) -> None:
    contract = doubted.town.contracts.challenges
    assert contract is not None
    data = contract.encode_abi("answer", args=list(doubted.answer.arguments))
    assert "0x" + answer_data(doubted.answer.arguments).hex() == data


def test_who_does_not_answer_loses_the_forecast_and_the_challenger_nothing(doubted: Doubted) -> None:
    doubted.town.chain.fund(account(9).address)
    contract = doubted.town.contracts.challenges
    assert contract is not None
    doubted.challenge()
    with pytest.raises(Refused, match="not void"):
        doubted.town.chain.send(account(9), contract.functions.close(doubted.who, DAY))
    doubted.town.chain.advance_to(doubted.town.chain.now + 3 * SECONDS + 1)
    with pytest.raises(ChallengeRefused, match="late answer"):
        doubted.send()
    assert contract.functions.is_void(doubted.who, DAY).call()
    before = doubted.balance(9)
    doubted.town.chain.send(account(1), contract.functions.close(doubted.who, DAY))
    assert doubted.balance(9) == before + bond(doubted)
    with pytest.raises(Refused, match="closed before"):
        doubted.town.chain.send(account(1), contract.functions.close(doubted.who, DAY))
    assert doubted.town.chain.web3.eth.get_balance(contract.address) == 0


def test_a_household_that_registers_what_it_likes_is_not_paid_once_somebody_doubts_it(doubted: Doubted) -> None:
    """The attack: a forecast of the household's own, which beats every benchmark, and no inference proof."""
    town, day = doubted.town, DAY + 1
    registry, rewards = town.contracts.forecast_registry.functions, town.contracts.rewards.functions
    town.chain.advance_to(START)
    publish_features(town.chain, town.contracts, town.operator, day, b"\1" * 32)
    known = proven(day)
    town.chain.send(town.household, registry.submit(day, 1, NO_HEAD, known.statement.forecast, b"\2" * 32))
    town.chain.advance_to(START + 2 * SECONDS)
    claim = Claim(known.statement, b"\2" * 32, known.proof, signatures(known))
    unclaimed = town.chain.tester.take_snapshot()
    town.chain.send(town.operator, claim_call(town.contracts, claim), CLAIM_GAS)
    assert rewards.total_of(day).call() == BUCKETS
    challenge(town.chain, town.contracts, town.operator, doubted.who, day)
    with pytest.raises(Refused, match="not void"):
        town.chain.send(town.operator, rewards.strike_out(doubted.who, day))
    town.chain.advance_to(town.chain.now + 3 * SECONDS + 1)
    town.chain.send(town.operator, rewards.strike_out(doubted.who, day))
    assert rewards.total_of(day).call() == 0, "its share goes to the others"
    assert rewards.granted_in(town.meter.address, day // 365).call() == 0
    with pytest.raises(Refused, match="no claim"):
        town.chain.send(town.operator, rewards.strike_out(doubted.who, day))
    with pytest.raises(Refused, match="already claimed"):
        town.chain.send(town.operator, claim_call(town.contracts, claim), CLAIM_GAS)

    moment = town.chain.now
    town.chain.tester.revert_to_snapshot(unclaimed)
    town.chain.reset_clock(moment)
    challenge(town.chain, town.contracts, town.operator, doubted.who, day)
    town.chain.advance_to(town.chain.now + 3 * SECONDS + 1)
    with pytest.raises(VoidForecast):
        town.chain.send(town.operator, claim_call(town.contracts, claim), CLAIM_GAS)


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("another proof", AnotherForecast),
        ("a day signed by another", WrongMeter),
        ("days in another order", WrongMeter),
        ("other features", ChallengeRefused),
        ("another household", ChallengeRefused),
        ("another model", ChallengeRefused),
        ("with a head", WrongHead),
    ],
)
def test_an_answer_must_be_of_the_registered_forecast(why: str, kind: type[Refused], doubted: Doubted) -> None:
    """Every part that a household could choose for itself: model, head, history, features, proof."""
    answer, statement = doubted.answer, doubted.answer.statement
    steps = statement.steps.copy()
    steps[0, -1, -1] += 1
    head = honest(personal=True).statement.personal
    other = replace(statement.context, household=bytes.fromhex(account(4).address[2:]))
    layers = (statement.weights.head[:1] * len(statement.weights.layers[0]), *statement.weights.layers[1:])
    forged = {
        "another proof": replace(answer, proof=answer.proof[:-1] + bytes([answer.proof[-1] ^ 1])),
        "a day signed by another": replace(
            answer, signatures=[signature(DAY - RING_DAYS, answer.days[0], signer=4), *answer.signatures[1:]]
        ),
        "days in another order": replace(answer, days=[*answer.days[1:], answer.days[0]]),
        "other features": replace(answer, statement=replace(statement, steps=steps)),
        "another household": replace(answer, statement=replace(statement, context=other)),
        "another model": replace(
            answer, statement=replace(statement, weights=replace(statement.weights, layers=layers))
        ),
        "with a head": replace(
            answer,
            statement=replace(statement, personal=head),
            proof=honest(personal=True).prove(),
        ),
    }[why]
    doubted.challenge()
    with pytest.raises(kind):
        doubted.send(forged)
    doubted.send()


def test_a_forecast_two_days_ahead_is_answered_for_with_the_week_that_ends_two_days_before() -> None:
    later = registered(horizon=2)
    assert not differences(later.town.chain, later.town.contracts, COMMUNITY)
    later.challenge()
    newer = zip(window_days(DAY, 1), later.answer.days, strict=True)
    with pytest.raises(WrongMeter):
        later.send(replace(later.answer, signatures=[signature(day, commitment) for day, commitment in newer]))
    later.send()
    found = challenge_of(later.town.contracts, later.who, DAY)
    assert found is not None and found.answered


@pytest.mark.parametrize(("horizon", "made_for"), [(2, 1), (1, 2)])
def test_a_forecast_of_another_horizon_than_the_communitys_has_no_answer(horizon: int, made_for: int) -> None:
    """The model's rows are the same, so that nothing but the horizon differs: neither the week that it was made from
    is taken, nor the same readings signed as the community's week."""
    fresh = registered(horizon, made_for)
    fresh.challenge()
    with pytest.raises(WrongMeter):
        fresh.send()
    week = zip(window_days(DAY, horizon), fresh.answer.days, strict=True)
    with pytest.raises(ProofRefused):
        fresh.send(replace(fresh.answer, signatures=[signature(day, commitment) for day, commitment in week]))


def test_a_forecast_that_is_not_the_models_has_no_answer(doubted: Doubted) -> None:
    """The attack: register any forecast, with the hash of somebody else's valid proof."""
    town, registry = doubted.town, doubted.town.contracts.forecast_registry.functions
    cheat = account(6)
    town.chain.fund(cheat.address)
    town.chain.send(town.operator, registry.assign_meter(cheat.address, account(7).address, 0))
    enrol(town, cheat)
    proof = doubted.answer.proof
    statement = replace(
        doubted.answer.statement,
        context=replace(doubted.answer.statement.context, household=bytes.fromhex(cheat.address[2:])),
    )
    town.chain.send(cheat, registry.submit(DAY, 1, NO_HEAD, statement.forecasts[0], keccak(proof)))
    challenge(town.chain, town.contracts, town.operator, cheat.address, DAY)
    signed = [signature(DAY - RING_DAYS + k, c, household=6, signer=7) for k, c in enumerate(doubted.answer.days)]
    with pytest.raises(ProofRefused):
        send_answer(
            town.chain, town.contracts, cheat, replace(doubted.answer, statement=statement, signatures=signed)
        )


def test_what_can_be_challenged_and_until_when(doubted: Doubted) -> None:
    town, contract = doubted.town, doubted.town.contracts.challenges
    assert contract is not None
    with pytest.raises(ChallengeRefused, match="wrong bond"):
        town.chain.send(town.operator, contract.functions.challenge(doubted.who, DAY))
    for household, day, reason in ((account(4).address, DAY, "no forecast"), (doubted.who, DAY + 1, "no forecast")):
        with pytest.raises(Refused, match=reason):
            challenge(town.chain, town.contracts, town.operator, household, day)
    with pytest.raises(Refused, match="features exist"):
        town.chain.send(town.operator, contract.functions.publish_features(DAY, b"\1" * 32))
    with pytest.raises(Refused, match="not the owner"):
        town.chain.send(town.household, contract.functions.publish_features(DAY + 1, b"\1" * 32))
    with pytest.raises(ChallengeRefused, match="no challenge"):
        town.chain.send(town.operator, answer_call(town.contracts, doubted.answer))
    town.chain.advance_to(START + 8 * SECONDS)
    with pytest.raises(Refused, match="late features"):
        town.chain.send(town.operator, contract.functions.publish_features(DAY + 7, b"\1" * 32))
    with pytest.raises(ChallengeRefused, match="late challenge"):
        doubted.challenge()

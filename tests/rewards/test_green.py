"""Green shares: proven, signed by the meter, weighed by the community, claimed beside the forecast, paid, noted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from data.meter import ALL_MEASURED
from rewards import green_rule
from rewards.claims import Claim, claims_close, pay_day, submit_claim
from rewards.errors import (
    AlreadyClaimed,
    ClaimsOpen,
    DayNotOver,
    GreenRefused,
    LateClaim,
    NoSkillClaim,
    NotFinal,
    NoWeights,
    Paused,
    ProofRefused,
    Refused,
    WrongMeter,
)
from rewards.green import (
    GreenDay,
    GreenGranted,
    claim_green,
    green_state,
    ordinates,
    pay_green_day,
    publish_weights,
    recall_green,
    weights_of,
)
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD
from tests.rewards.conftest import (
    BUCKETS,
    COMMUNITY,
    DAY,
    DAY_START,
    LEVEL,
    Town,
    account,
    proven,
    signature,
    signatures,
)
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import RING_DAYS, commit_day
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof, MalformedProof, WitnessError
from zkp.statements import green_share
from zkp.statements.context import Context
from zkp.view import messages

pytestmark = pytest.mark.slow

READINGS, BLINDING = tuple(9000 if 8 <= hour < 18 else 3000 for hour in range(24)), 6  # its blinding is `proven`'s
WEIGHTS = tuple(255 if 8 <= hour < 18 else 90 for hour in range(24))
TIER, BASE = green_rule.highest_tier(WEIGHTS, READINGS), green_rule.base_of(WEIGHTS)
POINTS = (TIER - BASE) * BUCKETS
RATE = RewardSettings().green_amount
HASH = b"\5" * 32


def green(
    day: int = DAY, *, weights: tuple[int, ...] = WEIGHTS, tier: int = TIER, household: int = 2,
    readings: tuple[int, ...] = READINGS,
) -> GreenDay:  # fmt: skip
    actual = commit_day(day, readings, BLINDING)
    who = bytes.fromhex(account(household).address[2:])
    statement = green_share.Statement(Context(COMMUNITY, who, day, 0), actual, weights, tier)
    proof = green_share.prove(statement, readings, BLINDING, random=seeded(1))
    return GreenDay(statement, proof, signature(day, actual, household=household))


@dataclass(frozen=True)
class Claimed:
    """A household that has claimed its forecast of a day whose hours have weights."""

    town: Town

    @property
    def contract(self) -> Any:
        return self.town.contracts.green_share

    @property
    def record(self) -> Any:
        return self.town.contracts.household_nft.functions

    @property
    def who(self) -> str:
        return str(self.town.household.address)

    def claim(self, day: GreenDay) -> GreenGranted:
        self.town.chain.fund(account(9).address)
        return claim_green(self.town.chain, self.town.contracts, account(9), day)

    def send(self, day: GreenDay, **changed: Any) -> None:
        """As an attacker does, who checks nothing before."""
        s = day.statement
        values: dict[str, Any] = {
            "household": self.who, "day": s.context.day, "tier": s.tier, "actual": s.actual,
            "signature": day.signature, "proof": day.proof, "ordinates": ordinates(s, day.proof),
        }  # fmt: skip
        call = self.contract.functions.claim_green(*(values | changed).values())
        self.town.chain.fund(account(9).address)
        self.town.chain.send(account(9), call, 1_000_000)

    def close(self) -> None:
        """Claims are closed."""
        self.town.chain.advance_to(claims_close(self.town.contracts, DAY))

    def pay_skill(self) -> int:
        return pay_day(self.town.chain, self.town.contracts, self.town.operator, DAY, [self.who]).get(self.who, 0)

    def pay(self) -> dict[str, int]:
        return pay_green_day(self.town.chain, self.town.contracts, self.town.operator, DAY, [self.who])

    def days(self) -> int:
        return int(self.record.record_of(self.who).call()[5])

    def points(self) -> int:
        return int(self.contract.functions.total_of(DAY).call())


@pytest.fixture
def announced(town: Town) -> Town:
    publish_weights(town.chain, town.contracts, town.operator, DAY, WEIGHTS)
    return town


def claim_skill(town: Town, load: tuple[int, ...] = READINGS) -> None:
    case = proven(load=load)
    registry = town.contracts.forecast_registry.functions
    town.chain.send(town.household, registry.submit(DAY, 1, NO_HEAD, case.statement.forecast, HASH))
    town.chain.advance_to(DAY_START + 86_400)
    submit_claim(town.chain, town.contracts, town.operator, Claim(case.statement, HASH, case.proof, signatures(case)))


@pytest.fixture
def claimed(announced: Town) -> Iterator[Claimed]:
    claim_skill(announced)
    yield Claimed(announced)


def test_a_proven_green_day_is_claimed_once_paid_from_its_budget_and_noted_whoever_brings_it(
    claimed: Claimed,
) -> None:
    town = claimed.town
    assert weights_of(town.contracts, DAY) == WEIGHTS and claimed.contract.functions.base_of(DAY).call() == BASE
    granted = claimed.claim(green())
    assert (granted.tier, granted.points) == (TIER, POINTS) and green_rule.points(WEIGHTS, TIER, BUCKETS) == POINTS
    assert recall_green(town.contracts, claimed.who, DAY) == granted
    with pytest.raises(AlreadyClaimed):
        claimed.claim(green())
    with pytest.raises(ClaimsOpen):
        claimed.pay()
    claimed.close()
    skill = claimed.pay_skill()
    assert claimed.pay() == {claimed.who: POINTS * RATE} == claimed.pay(), "again: the same, and nothing more"
    assert claimed.days() == 1 and green_state(town.contracts, claimed.who, DAY).collected
    token = town.contracts.reward_token.functions
    assert token.totalSupply().call() == token.balanceOf(claimed.who).call() == skill + POINTS * RATE
    (told,) = claimed.contract.events.GreenRewarded().get_logs(from_block=0)
    assert (told["args"]["household"], told["args"]["points"]) == (claimed.who, POINTS)
    updates = town.contracts.household_nft.events.MetadataUpdate().get_logs(from_block=0)
    assert [e["args"]["_tokenId"] for e in updates] == [int(claimed.who, 16)] * 2, "ERC-4906: by both payments"
    with pytest.raises(Refused, match="already collected"):
        town.chain.send(town.operator, claimed.contract.functions.collect_green([claimed.who], DAY))
    assert max(town.chain.gas["claim_green"]) < 450_000


def test_a_lone_claimant_gets_the_highest_rate_and_not_the_budget(claimed: Claimed) -> None:
    claimed.claim(green())
    budget = claimed.contract.functions.DAY_BUDGET().call()
    assert budget // POINTS > RATE
    claimed.close()
    claimed.town.chain.send(account(9), claimed.contract.functions.finalise_green(DAY))
    assert claimed.contract.functions.rate_of(DAY).call() == RATE
    with pytest.raises(Refused, match="day is final"):
        claimed.town.chain.send(account(9), claimed.contract.functions.finalise_green(DAY))


# -- who gains nothing ----------------------------------------------------------------------------------------------


def test_an_empty_home_gets_nothing(announced: Town) -> None:
    """The attack: no load at all is green whatever the hours."""
    announced.chain.advance_to(DAY_START + 86_400)
    empty = green(readings=(0,) * 24, tier=100)
    with pytest.raises(NoSkillClaim):
        Claimed(announced).claim(empty)


def test_a_constant_home_gets_nothing_whatever_the_weights(announced: Town) -> None:
    claim_skill(announced, LEVEL)
    constant = green_rule.highest_tier(WEIGHTS, (5000,) * 24)
    assert constant <= BASE == constant + 1, "rounded up: not even by a fraction of a percent"
    with pytest.raises(GreenRefused, match="not green enough"):
        Claimed(announced).claim(green(readings=LEVEL, tier=green_rule.highest_tier(WEIGHTS, LEVEL)))
    assert all(
        green_rule.highest_tier(weights, (700,) * 24) <= green_rule.base_of(weights)
        for weights in (WEIGHTS, (255,) * 24, (255,) * 6 + (0,) * 18, tuple(range(24)))
    )


def test_a_home_that_uses_most_in_the_other_hours_can_prove_no_green_share(claimed: Claimed) -> None:
    evening = READINGS[12:] + READINGS[:12]
    assert green_rule.highest_tier(WEIGHTS, evening) < BASE
    with pytest.raises(WitnessError):
        green(readings=evening, tier=BASE + 1)


def test_points_are_bounded_by_what_the_rewards_contract_granted(announced: Town) -> None:
    """The attack: little energy, all of it at noon. A bucket takes 2 kWh of use, so the share is worth little."""
    claim_skill(announced)
    granted = Claimed(announced).claim(green()).points
    assert (
        granted // (TIER - BASE)
        == announced.contracts.rewards.functions.claim_of(announced.household.address, DAY).call()[1]
    )


def test_splitting_a_home_gains_nothing() -> None:
    """Points are linear in buckets, and buckets in energy."""
    whole = green_rule.points(WEIGHTS, TIER, 8)
    assert sum(green_rule.points(WEIGHTS, TIER, 2) for _ in range(4)) == whole


def test_a_home_whose_forecast_is_void_gets_nothing_and_its_share_is_the_others(claimed: Claimed) -> None:
    """Whose claim was struck out: here, one that the rewards contract does not know any more."""
    town, record = claimed.town, claimed.town.contracts.household_nft
    claimed.claim(green())
    with pytest.raises(Refused, match="forecast is not void"):
        town.chain.send(account(9), claimed.contract.functions.strike_out_green(claimed.who, DAY))
    other = deploy_rewards_without_claims(town)
    town.chain.send(town.operator, record.functions.propose_minter(other.address))
    town.chain.advance_to(town.chain.now + 7 * 86_400)
    town.chain.send(town.operator, record.functions.accept_minter())
    town.chain.send(account(9), claimed.contract.functions.strike_out_green(claimed.who, DAY))
    assert claimed.points() == 0
    with pytest.raises(NoSkillClaim):
        claimed.claim(green())


def deploy_rewards_without_claims(town: Town) -> Any:
    from rewards.compile import artefact
    from rewards.deploy import _NOBODY

    c = town.contracts
    assert c.green_share is not None
    parts = c.forecast_registry, c.reward_token, c.household_nft
    return town.chain.deploy(
        town.operator, artefact("rewards"), *(part.address for part in parts), _NOBODY, _NOBODY,
        c.green_share.address, 1, 1, 1, 1,
    )  # fmt: skip


# -- when, and in which order ---------------------------------------------------------------------------------------


def test_a_day_whose_forecast_is_not_claimed_is_refused(announced: Town) -> None:
    announced.chain.advance_to(DAY_START + 86_400)
    with pytest.raises(NoSkillClaim):
        Claimed(announced).claim(green())


def test_a_day_is_claimed_after_its_end_and_before_claims_close(claimed: Claimed) -> None:
    town, chain = claimed.town, claimed.town.chain
    chain.advance_to(claims_close(town.contracts, DAY))
    with pytest.raises(LateClaim):
        claimed.claim(green())


def test_a_day_that_is_not_over_can_not_be_claimed(announced: Town) -> None:
    with pytest.raises(DayNotOver):
        Claimed(announced).claim(green())


def test_what_is_not_final_or_whose_forecast_is_not_paid_is_not_collected(claimed: Claimed) -> None:
    town, collect = claimed.town, claimed.contract.functions.collect_green([claimed.who], DAY)
    claimed.claim(green())
    with pytest.raises(NotFinal):
        town.chain.send(account(9), collect)
    claimed.close()
    assert claimed.pay() == {}, "finalised, and nothing is collected before the forecast is paid"
    with pytest.raises(GreenRefused, match="day is not paid"):
        town.chain.send(account(9), collect)
    claimed.pay_skill()
    town.chain.send(account(9), collect)
    assert claimed.days() == 1


def test_nobody_else_is_paid_by_the_rewards_contract(claimed: Claimed) -> None:
    """The attack: tokens without a proof, by whoever asks the contract that can mint."""
    town = claimed.town
    for who in (town.operator, town.household):
        with pytest.raises(Refused, match="not the contract for green shares"):
            town.chain.send(who, town.contracts.rewards.functions.pay_green(who.address, 1))
    with pytest.raises(Refused, match="no claim"):
        claimed.claim(green())
        claimed.close()
        claimed.pay_skill()
        claimed.pay()
        town.chain.send(account(9), claimed.contract.functions.collect_green([town.operator.address], DAY))


# -- what a proof is about ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rotation", range(RING_DAYS))
def test_the_proof_of_any_day_of_the_ring_is_taken(rotation: int, town: Town) -> None:
    """All but the claim for the forecast, which is asked for last."""
    day = DAY + rotation
    publish_weights(town.chain, town.contracts, town.operator, day, WEIGHTS)
    town.chain.advance_to(DAY_START + (rotation + 1) * 86_400)
    with pytest.raises(NoSkillClaim):
        Claimed(town).claim(green(day))


def test_weights_are_the_communitys_and_said_before_the_day(town: Town) -> None:
    """The attacks: weights that fit a load that is known by then; weights that ask for the load in one hour."""
    chain = town.chain
    with pytest.raises(Refused, match="not the owner"):
        publish_weights(chain, town.contracts, town.household, DAY, WEIGHTS)
    for narrow in ([0] * 24, [255] * 5 + [63] * 19, [0] * 23 + [255]):
        assert not green_rule.is_wide(narrow)
        with pytest.raises(GreenRefused, match="narrow weights"):
            publish_weights(chain, town.contracts, town.operator, DAY, narrow)
    publish_weights(chain, town.contracts, town.operator, DAY, WEIGHTS)
    with pytest.raises(GreenRefused, match="weights exist"):
        publish_weights(chain, town.contracts, town.operator, DAY, [255] * 24)
    chain.advance_to(DAY_START + 86_400)
    with pytest.raises(GreenRefused, match="late weights"):
        publish_weights(chain, town.contracts, town.operator, DAY + 1, WEIGHTS)
    with pytest.raises(NoWeights):
        Claimed(town).send(green(DAY + 1))
    assert weights_of(town.contracts, DAY + 1) is None


def test_weights_of_ones_own_are_refused(claimed: Claimed) -> None:
    own = green(weights=(255,) * 24, tier=100)
    with pytest.raises(ProofRefused, match="invalid proof"):
        claimed.claim(own)
    assert claimed.points() == 0


def test_a_share_that_is_too_small_or_not_proven_is_refused(claimed: Claimed) -> None:
    with pytest.raises(GreenRefused, match="not green enough"):
        claimed.claim(green(tier=BASE))
    with pytest.raises(GreenRefused, match="not green enough"):
        claimed.send(green(), tier=101)
    with pytest.raises(ProofRefused):
        claimed.send(green(), tier=TIER + 1)
    with pytest.raises(WitnessError):
        green(tier=TIER + 1)


def test_a_day_that_the_meter_did_not_sign_as_measured_is_refused(claimed: Claimed) -> None:
    """The attack: readings of the household's own, or hours that were filled in."""
    day = green()
    for forged in (
        signature(DAY, day.statement.actual, signer=4),
        signature(DAY - 1, day.statement.actual),
        signature(DAY, day.statement.actual, measured=ALL_MEASURED - 1),
    ):
        with pytest.raises(WrongMeter):
            claimed.claim(replace(day, signature=forged))


def test_a_proof_of_another_household_day_or_commitment_is_refused(claimed: Claimed) -> None:
    day = green()
    others = green(household=4), green(DAY + 1)
    for other in others:
        with pytest.raises(ProofRefused):
            claimed.send(day, proof=other.proof, ordinates=ordinates(other.statement, other.proof))
    actual = commit_day(DAY, [v + 1 for v in READINGS], BLINDING)
    with pytest.raises(ProofRefused):
        claimed.send(day, actual=actual, signature=signature(DAY, actual))


def test_every_message_of_a_proof_changed_is_refused(claimed: Claimed) -> None:
    day = green()
    for message in messages(day.statement, day.proof):
        size = {"points": 48, "scalars": 32}[message.kind]
        for k in range(len(message.values)):
            place = message.offset + k * size
            part = day.proof[place : place + size]
            if message.kind == "points":
                others = [bytes([part[0] ^ 0x20]) + part[1:], b"\xc0" + bytes(47)]
            else:
                value = int.from_bytes(part, "big")
                others = [((value + 1) % MODULUS).to_bytes(32, "big"), (value + MODULUS).to_bytes(32, "big")]
            for other in others:
                proof = day.proof[:place] + other + day.proof[place + size :]
                with pytest.raises((InvalidProof, MalformedProof)):
                    green_share.verify(day.statement, proof)
                with pytest.raises(ProofRefused):
                    claimed.send(day, proof=proof, ordinates=ordinates_or_none(day, proof))
    assert claimed.points() == 0


def ordinates_or_none(day: GreenDay, proof: bytes) -> bytes:
    """Those that fit where the points are points; else the honest ones."""
    try:
        return ordinates(day.statement, proof)
    except MalformedProof:
        return ordinates(day.statement, day.proof)


def test_a_burnt_record_has_no_green_days_and_the_household_is_paid_all_the_same(claimed: Claimed) -> None:
    claimed.claim(green())
    claimed.close()
    claimed.pay_skill()
    claimed.town.chain.send(claimed.town.household, claimed.record.burn())
    assert claimed.pay() == {claimed.who: POINTS * RATE}
    assert claimed.days() == 0
    assert not claimed.record.balanceOf(claimed.who).call()


def test_nobody_but_the_appointed_contract_notes_green_days(claimed: Claimed) -> None:
    chain, operator, who = claimed.town.chain, claimed.town.operator, claimed.town.household.address
    with pytest.raises(Refused, match="not the contract for green shares"):
        chain.send(operator, claimed.record.record_green(who, DAY))
    with pytest.raises(Refused, match="green is appointed"):
        chain.send(operator, claimed.record.appoint_green(operator.address))


def test_a_pause_stops_green_payments_and_what_was_claimed_is_paid_afterwards(claimed: Claimed) -> None:
    rewards = claimed.town.contracts.rewards.functions
    claimed.claim(green())
    claimed.close()
    claimed.pay_skill()
    claimed.town.chain.send(claimed.town.operator, rewards.pause())
    with pytest.raises(Paused):
        claimed.pay()
    claimed.town.chain.send(claimed.town.operator, rewards.unpause())
    assert claimed.pay() == {claimed.who: POINTS * RATE}

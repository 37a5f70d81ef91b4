"""Green days on the record: proven, signed by the meter, weighed by the community, and paid for skill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from data.meter import ALL_MEASURED
from rewards.claims import Claim, claims_close, pay_day, submit_claim
from rewards.errors import GreenRefused, Paused, ProofRefused, Refused, WrongMeter
from rewards.green import GreenDay, note_green, ordinates, publish_weights, weights_of
from rewards.signing import NO_HEAD
from tests.rewards.conftest import COMMUNITY, DAY, DAY_START, Town, account, proven, signature, signatures
from tests.zkp.conftest import seeded
from zkp.algebra.commitment import RING_DAYS, commit_day
from zkp.algebra.field import MODULUS
from zkp.errors import InvalidProof, MalformedProof, WitnessError
from zkp.statements import green_share
from zkp.statements.context import Context
from zkp.view import messages

pytestmark = pytest.mark.slow

READINGS, BLINDING = [5000 + 10 * hour for hour in range(24)], 6  # `proven`'s day
WEIGHTS = tuple(255 if 8 <= hour < 18 else 90 for hour in range(24))
TIER = 100 * sum(w * v for w, v in zip(WEIGHTS, READINGS, strict=True)) // (255 * sum(READINGS))
HASH = b"\5" * 32


def green(day: int = DAY, *, weights: tuple[int, ...] = WEIGHTS, tier: int = TIER, household: int = 2) -> GreenDay:
    actual = commit_day(day, READINGS, BLINDING)
    who = bytes.fromhex(account(household).address[2:])
    statement = green_share.Statement(Context(COMMUNITY, who, day, 0), actual, weights, tier)
    proof = green_share.prove(statement, READINGS, BLINDING, random=seeded(1))
    return GreenDay(statement, proof, signature(day, actual, household=household))


@dataclass(frozen=True)
class Paid:
    """A household whose day stands on its record, and whose hours have weights."""

    town: Town

    @property
    def contract(self) -> Any:
        return self.town.contracts.green_share

    @property
    def record(self) -> Any:
        return self.town.contracts.household_nft.functions

    def note(self, day: GreenDay) -> None:
        self.town.chain.fund(account(9).address)
        note_green(self.town.chain, self.town.contracts, account(9), day)

    def send(self, day: GreenDay, **changed: Any) -> None:
        """As an attacker does, who checks nothing before."""
        s = day.statement
        values: dict[str, Any] = {
            "household": self.town.household.address, "day": s.context.day, "tier": s.tier, "actual": s.actual,
            "signature": day.signature, "proof": day.proof, "ordinates": ordinates(s, day.proof),
        }  # fmt: skip
        call = self.contract.functions.note(*(values | changed).values())
        self.town.chain.fund(account(9).address)
        self.town.chain.send(account(9), call, 1_000_000)

    def days(self) -> int:
        return int(self.record.record_of(self.town.household.address).call()[5])


@pytest.fixture
def announced(town: Town) -> Town:
    publish_weights(town.chain, town.contracts, town.operator, DAY, WEIGHTS)
    return town


@pytest.fixture
def paid(announced: Town) -> Iterator[Paid]:
    town, case = announced, proven()
    registry = town.contracts.forecast_registry.functions
    town.chain.send(town.household, registry.submit(DAY, 1, NO_HEAD, case.statement.forecast, HASH))
    town.chain.advance_to(DAY_START + 86_400)
    submit_claim(town.chain, town.contracts, town.operator, Claim(case.statement, HASH, case.proof, signatures(case)))
    town.chain.advance_to(claims_close(town.contracts, DAY))
    pay_day(town.chain, town.contracts, town.operator, DAY, [town.household.address])
    yield Paid(town)


def test_a_proven_green_day_is_noted_once_whoever_brings_it(paid: Paid) -> None:
    assert weights_of(paid.town.contracts, DAY) == WEIGHTS
    paid.note(green())
    assert paid.days() == 1
    (told,) = paid.contract.events.GreenDay().get_logs(from_block=0)
    assert (told["args"]["household"], told["args"]["tier"]) == (paid.town.household.address, TIER)
    token = int(paid.town.household.address, 16)
    updates = paid.town.contracts.household_nft.events.MetadataUpdate().get_logs(from_block=0)
    assert [e["args"]["_tokenId"] for e in updates] == [token, token], "ERC-4906: by the payment, and by the note"
    with pytest.raises(GreenRefused, match="green before"):
        paid.note(green())
    assert paid.town.chain.gas["note"][-1] < 400_000


def test_a_day_that_was_not_paid_is_not_noted(announced: Town) -> None:
    """The attack: an empty home, whose day is green whatever the hours."""
    town = announced
    town.chain.advance_to(DAY_START + 86_400)
    readings = [0] * 24
    actual = commit_day(DAY, readings, 5)
    statement = replace(green().statement, actual=actual, tier=100)
    proof = green_share.prove(statement, readings, 5)
    with pytest.raises(GreenRefused, match="day is not paid"):
        Paid(town).note(GreenDay(statement, proof, signature(DAY, actual)))


@pytest.mark.parametrize("rotation", range(RING_DAYS))
def test_the_proof_of_any_day_of_the_ring_is_taken(rotation: int, town: Town) -> None:
    """All but the payment, which is asked for last."""
    day = DAY + rotation
    publish_weights(town.chain, town.contracts, town.operator, day, WEIGHTS)
    with pytest.raises(GreenRefused, match="day is not paid"):
        Paid(town).note(green(day))


def test_weights_are_the_communitys_and_said_before_the_day(town: Town) -> None:
    """The attack: weights that fit a load that is known by then."""
    green_contract, chain = Paid(town).contract.functions, town.chain
    with pytest.raises(Refused, match="not the owner"):
        publish_weights(chain, town.contracts, town.household, DAY, WEIGHTS)
    with pytest.raises(Refused, match="empty weights"):
        publish_weights(chain, town.contracts, town.operator, DAY, [0] * 24)
    publish_weights(chain, town.contracts, town.operator, DAY, WEIGHTS)
    with pytest.raises(GreenRefused, match="weights exist"):
        publish_weights(chain, town.contracts, town.operator, DAY, [1] * 24)
    chain.advance_to(DAY_START + 86_400)
    with pytest.raises(GreenRefused, match="late weights"):
        publish_weights(chain, town.contracts, town.operator, DAY + 1, WEIGHTS)
    with pytest.raises(GreenRefused, match="no weights"):
        Paid(town).send(green(DAY + 1))
    assert weights_of(town.contracts, DAY + 1) is None and green_contract.LEAST_TIER().call() == 50


def test_weights_of_ones_own_are_refused(paid: Paid) -> None:
    own = green(weights=(255,) * 24, tier=100)
    with pytest.raises(ProofRefused, match="invalid proof"):
        paid.note(own)
    assert paid.days() == 0


def test_a_share_that_is_too_small_or_not_proven_is_refused(paid: Paid) -> None:
    with pytest.raises(GreenRefused, match="not green enough"):
        paid.note(green(tier=49))
    with pytest.raises(GreenRefused, match="not green enough"):
        paid.send(green(), tier=101)
    with pytest.raises(ProofRefused):
        paid.send(green(), tier=TIER + 1)
    with pytest.raises(WitnessError):
        green(tier=TIER + 1)


def test_a_day_that_the_meter_did_not_sign_as_measured_is_refused(paid: Paid) -> None:
    """The attack: readings of the household's own, or hours that were filled in."""
    day = green()
    for forged in (
        signature(DAY, day.statement.actual, signer=4),
        signature(DAY - 1, day.statement.actual),
        signature(DAY, day.statement.actual, measured=ALL_MEASURED - 1),
    ):
        with pytest.raises(WrongMeter):
            paid.note(replace(day, signature=forged))


def test_a_proof_of_another_household_day_or_commitment_is_refused(paid: Paid) -> None:
    day = green()
    others = green(household=4), green(DAY + 1)
    for other in others:
        with pytest.raises(ProofRefused):
            paid.send(day, proof=other.proof, ordinates=ordinates(other.statement, other.proof))
    actual = commit_day(DAY, [v + 1 for v in READINGS], BLINDING)
    with pytest.raises(ProofRefused):
        paid.send(day, actual=actual, signature=signature(DAY, actual))


def test_every_message_of_a_proof_changed_is_refused(paid: Paid) -> None:
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
                    paid.send(day, proof=proof, ordinates=ordinates_or_none(day, proof))
    assert paid.days() == 0


def ordinates_or_none(day: GreenDay, proof: bytes) -> bytes:
    """Those that fit where the points are points; else the honest ones."""
    try:
        return ordinates(day.statement, proof)
    except MalformedProof:
        return ordinates(day.statement, day.proof)


def test_a_burnt_record_has_no_green_days(paid: Paid) -> None:
    paid.town.chain.send(paid.town.household, paid.record.burn())
    paid.note(green())
    assert paid.days() == 0
    assert not paid.record.balanceOf(paid.town.household.address).call()


def test_nobody_but_the_appointed_contract_notes_green_days(paid: Paid) -> None:
    chain, operator, who = paid.town.chain, paid.town.operator, paid.town.household.address
    with pytest.raises(Refused, match="not the contract for green shares"):
        chain.send(operator, paid.record.record_green(who, DAY))
    with pytest.raises(Refused, match="green is appointed"):
        chain.send(operator, paid.record.appoint_green(operator.address))


def test_a_pause_of_payments_does_not_touch_what_is_noted(paid: Paid) -> None:
    paid.town.chain.send(paid.town.operator, paid.town.contracts.rewards.functions.pause())
    with pytest.raises(Paused):
        paid.town.chain.send(
            paid.town.operator, paid.town.contracts.rewards.functions.collect(paid.town.household.address, DAY)
        )
    paid.note(green())
    assert paid.days() == 1

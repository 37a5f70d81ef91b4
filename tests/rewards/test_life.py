"""The contracts' life against a model in Python: whatever households, operator and strangers do, in any order.

Claims are taken by an auditor's word, so that any number can be claimed; the proof is tested elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pytest
from eth_account.messages import encode_typed_data
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from data.meter import DOMAIN, TYPES
from rewards.chain import Chain
from rewards.errors import Refused
from rewards.settings import RewardSettings
from rewards.signing import NO_HEAD
from tests.rewards.conftest import DAY, DAY_START, Town, account, enrol, founded
from tests.support.laws import examples
from zkp.statements.skill import BENCHMARK_DAYS

pytestmark = pytest.mark.slow

SECONDS = 86_400
HOMES, METERS = (2, 21, 22), (3, 31, 32)
SETTINGS = RewardSettings(verifier="auditor", bucket_amount=7, day_budget=400, day_cap=50, year_cap=120)
COMMITMENT, PROOF = b"\x88" * 48, b"\x05" * 32
FIRST_CLAIM, LAST_CLAIM = SECONDS, 15 * SECONDS
homes, days = st.sampled_from(range(3)), st.sampled_from([DAY, DAY + 1, DAY + 2])


@cache
def signed(home: int, day: int) -> bytes:
    """The meter's word for the day and its benchmarks' days."""
    return b"".join(
        bytes(
            account(METERS[home])
            .sign_message(
                encode_typed_data(
                    DOMAIN,
                    TYPES["load"],
                    {"household": account(HOMES[home]).address, "day": day - back, "commitment": COMMITMENT},
                )
            )
            .signature
        )
        for back in (0, *BENCHMARK_DAYS)
    )


@cache
def community() -> Town:
    town = founded(Chain.embedded(start_time=DAY_START - 2 * SECONDS), SETTINGS)
    registry = town.contracts.forecast_registry.functions
    for home, meter in zip(HOMES[1:], METERS[1:], strict=True):
        town.chain.fund(account(home).address)
        town.chain.send(town.operator, registry.assign_meter(account(home).address, account(meter).address, DAY - 60))
        enrol(town, account(home))
    return town


@dataclass
class Model:
    """What there ought to be."""

    registered: set[tuple[int, int]] = field(default_factory=set)
    granted: dict[tuple[int, int], int] = field(default_factory=dict)
    rates: dict[int, int] = field(default_factory=dict)
    paid: dict[tuple[int, int], int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)

    def total(self, day: int) -> int:
        return sum(count for (_, when), count in self.granted.items() if when == day)

    def left_in_year(self, home: int) -> int:
        return SETTINGS.year_cap - sum(count for (who, _), count in self.granted.items() if who == home)


class Life(RuleBasedStateMachine):
    """Each step is done on the chain, and is refused exactly when the model says so."""

    @initialize()
    def begin(self) -> None:
        self.town = community()
        self.snapshot, self.moment = self.town.chain.tester.take_snapshot(), self.town.chain.now
        self.town.chain.reset_clock(DAY_START - SECONDS)
        self.model = Model()
        self.seen: tuple[int, str] | None = None

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.town.chain.tester.revert_to_snapshot(self.snapshot)
            self.town.chain.reset_clock(self.moment)

    def do(self, call: Callable[[], object], allowed: bool) -> None:
        if allowed:
            call()
        else:
            with pytest.raises(Refused):
                call()

    def since(self, day: int) -> int:
        """Seconds since the start of a day, at the next block."""
        return self.town.chain.now - DAY_START - (day - DAY) * SECONDS

    @rule(hours=st.sampled_from([1, 12, 24, 5 * 24, 14 * 24]))
    def time_goes_by(self, hours: int) -> None:
        self.town.chain.advance_to(self.town.chain.now + 3600 * hours)

    @rule(home=homes, day=days)
    def a_household_registers(self, home: int, day: int) -> None:
        submit = self.town.contracts.forecast_registry.functions.submit(day, 1, NO_HEAD, COMMITMENT, PROOF)
        in_time = -2 * SECONDS <= self.since(day) <= 3600
        allowed = in_time and home not in self.model.gone and (home, day) not in self.model.registered
        self.do(lambda: self.town.chain.send(account(HOMES[home]), submit), allowed)
        if allowed:
            self.model.registered.add((home, day))

    @rule(home=homes, day=days, buckets=st.sampled_from([1, 20, 50, 51, 65_535]))
    def a_day_is_claimed(self, home: int, day: int, buckets: int) -> None:
        call = self.town.contracts.rewards.functions.claim(
            account(HOMES[home]).address, day, buckets, 1, COMMITMENT, PROOF, COMMITMENT * 8, signed(home, day),
            b"word", b"",
        )  # fmt: skip
        known = (home, day) in self.model.registered and (home, day) not in self.model.granted
        granted = min(buckets, SETTINGS.day_cap, self.model.left_in_year(home))
        allowed = known and FIRST_CLAIM <= self.since(day) < LAST_CLAIM and granted > 0
        self.do(lambda: self.town.chain.send(self.town.operator, call), allowed)
        if allowed:
            self.model.granted[home, day] = granted

    @rule(day=days)
    def anybody_finalises(self, day: int) -> None:
        total = self.model.total(day)
        allowed = self.since(day) >= LAST_CLAIM and total > 0 and day not in self.model.rates
        call = self.town.contracts.rewards.functions.finalise(day)
        self.do(lambda: self.town.chain.send(account(HOMES[0]), call), allowed)
        if allowed:
            self.model.rates[day] = SETTINGS.terms.rate_of(total)

    @rule(home=homes, day=days)
    def anybody_collects(self, home: int, day: int) -> None:
        key = home, day
        allowed = day in self.model.rates and key in self.model.granted and key not in self.model.paid
        call = self.town.contracts.rewards.functions.collect(account(HOMES[home]).address, day)
        self.do(lambda: self.town.chain.send(account(HOMES[1]), call), allowed)
        if allowed:
            self.model.paid[key] = self.model.granted[key] * self.model.rates[day]

    @rule(home=homes)
    def a_household_leaves_or_comes_back(self, home: int) -> None:
        registry = self.town.contracts.forecast_registry.functions
        back = home in self.model.gone
        self.town.chain.send(account(HOMES[home]), registry.come_back() if back else registry.leave())
        self.model.gone ^= {home}

    @invariant()
    def the_contracts_say_what_ought_to_be(self) -> None:
        """Read anew once there is another block or something else ought to be: a block says the same each time."""
        if not hasattr(self, "model"):
            return
        now = self.town.chain.block, repr(self.model)
        if now != self.seen:
            self.the_supply_is_what_was_paid_and_no_day_pays_more_than_its_budget()
            self.every_household_has_what_it_was_paid_and_one_record()
            self.seen = now

    def the_supply_is_what_was_paid_and_no_day_pays_more_than_its_budget(self) -> None:
        contracts = self.town.contracts
        assert contracts.reward_token.functions.totalSupply().call() == sum(self.model.paid.values())
        for day in self.model.rates:
            assert sum(v for (_, when), v in self.model.paid.items() if when == day) <= SETTINGS.day_budget

    def every_household_has_what_it_was_paid_and_one_record(self) -> None:
        contracts = self.town.contracts
        for home in range(3):
            mine = {day: v for (who, day), v in self.model.paid.items() if who == home}
            address = account(HOMES[home]).address
            assert contracts.reward_token.functions.balanceOf(address).call() == sum(mine.values())
            assert contracts.household_nft.functions.balanceOf(address).call() == int(bool(mine))
            assert contracts.household_nft.functions.record_of(address).call()[0] == len(mine)


TestLife = Life.TestCase
TestLife.settings = examples(8, stateful_step_count=25, deadline=None)


def test_a_whole_life_is_played() -> None:
    """The machine's own rules in the order of an honest fortnight, so that every step is allowed once."""
    life = Life()
    life.begin()
    try:
        for home in range(3):
            life.a_household_registers(home, DAY)
        life.time_goes_by(24)
        life.time_goes_by(24)
        for home, buckets in enumerate((20, 50, 51)):
            life.a_day_is_claimed(home, DAY, buckets)
        life.a_household_leaves_or_comes_back(1)
        life.time_goes_by(14 * 24)
        life.anybody_finalises(DAY)
        for home in range(3):
            life.anybody_collects(home, DAY)
        assert sorted(life.model.paid.values()) == [60, 150, 150], "400 over 120 buckets: three each"
        life.the_supply_is_what_was_paid_and_no_day_pays_more_than_its_budget()
        life.every_household_has_what_it_was_paid_and_one_record()
    finally:
        life.teardown()

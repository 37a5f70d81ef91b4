"""The escrow of shared energy pays each share once, and never more than was paid in, whatever is published."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from web3.contract import Contract

from bench.gas import pay_shares
from rewards.chain import Chain
from rewards.compile import artefact
from rewards.errors import Refused, TooFewTokens
from rewards.settlement_payments import Brought, budget_of, deploy_payments, fund, pay
from rewards.settlements import deploy_settlements, publish_root
from tests.rewards.conftest import COMMUNITY, account
from tests.support.laws import examples

OPERATOR, TREASURY, STRANGER = account(1), account(2), account(9)
DAYS = (17_287, 17_317)
RATE = (3, 5)
SHARED_WH = 1000
HALF_A_YEAR = 180 * 86_400
HOMES = [account(20 + k).address for k in range(4)]
KEPT = json.loads((Path(__file__).parents[2] / "docs" / "figures" / "bench-gas.json").read_text(encoding="utf-8"))


@dataclass
class Town:
    chain: Chain
    registry: Contract
    token: Contract
    payments: Contract

    def settle(
        self, days: tuple[int, int], shares: dict[tuple[str, int], int], shared_wh: int = SHARED_WH
    ) -> list[Brought]:
        """Publish the root of these shares (Wh, by household and side); each as it is brought."""
        leaves = {(home, side): _leaf(days, home, side, wh) for (home, side), wh in shares.items()}
        root, paths = _tree(sorted(leaves.values()))
        publish_root(self.chain, self.registry, OPERATOR, days, root, shared_wh)
        return [Brought(home, side, wh, PROOF, paths[leaves[home, side]]) for (home, side), wh in shares.items()]

    def fund(self, days: tuple[int, int] = DAYS, shared_wh: int = SHARED_WH, rate: tuple[int, int] = RATE) -> None:
        self.chain.send(TREASURY, self.token.functions.mint(OPERATOR.address, shared_wh * sum(rate)))
        fund(self.chain, self.payments, OPERATOR, days, shared_wh, rate)

    def has(self, holder: str) -> int:
        return int(self.token.functions.balanceOf(holder).call())

    def bring(self, days: tuple[int, int], share: Brought, **changed: Any) -> None:
        """One share, by a stranger."""
        one = replace(share, **changed)
        leaf = (one.household, one.side, one.wh, one.proof_hash, list(one.path))
        self.chain.send(STRANGER, self.payments.functions.pay(*days, leaf))


PROOF = keccak(b"proof")


def _leaf(days: tuple[int, int], home: str, side: int, wh: int) -> bytes:
    words = b"".join(n.to_bytes(32, "big") for n in (*days, int(home, 16), side, wh))
    return keccak(keccak(COMMUNITY + words + PROOF))


def _tree(leaves: list[bytes]) -> tuple[bytes, dict[bytes, tuple[bytes, ...]]]:
    """Root and paths, by hand: pairs sorted, an odd one moves up."""
    paths: dict[bytes, tuple[bytes, ...]] = dict.fromkeys(leaves, ())
    level: list[tuple[bytes, list[bytes]]] = [(leaf, [leaf]) for leaf in leaves]
    while len(level) > 1:
        above = []
        for left, *rest in (level[k : k + 2] for k in range(0, len(level), 2)):
            if not rest:
                above.append(left)
                continue
            (right,) = rest
            for mine, other in ((left, right), (right, left)):
                for leaf in mine[1]:
                    paths[leaf] += (other[0],)
            above.append((keccak(b"".join(sorted([left[0], right[0]]))), left[1] + right[1]))
        level = above
    return level[0][0], paths


def made() -> Town:
    chain = Chain.embedded()
    for one in (OPERATOR, TREASURY, STRANGER):
        chain.fund(one.address)
    registry = deploy_settlements(chain, OPERATOR, COMMUNITY)
    token = chain.deploy(TREASURY, artefact("reward_token"))
    chain.send(TREASURY, token.functions.propose_minter(TREASURY.address))
    return Town(chain, registry, token, deploy_payments(chain, OPERATOR, str(registry.address), str(token.address)))


@pytest.fixture(scope="module")
def built() -> Town:
    return made()


@pytest.fixture
def town(built: Town) -> Any:
    snapshot, moment = built.chain.tester.take_snapshot(), built.chain.now
    yield built
    built.chain.tester.revert_to_snapshot(snapshot)
    built.chain.reset_clock(moment)


SHARES = {(HOMES[0], 0): 600, (HOMES[1], 0): 399, (HOMES[1], 1): 250, (HOMES[2], 1): 749}


def test_each_share_is_paid_by_its_watt_hours_and_side_and_the_remainder_stays(town: Town) -> None:
    shares = town.settle(DAYS, SHARES)
    town.fund()
    pay(town.chain, town.payments, STRANGER, DAYS, shares)
    assert [town.has(home) for home in HOMES] == [3 * 600, 3 * 399 + 5 * 250, 5 * 749, 0]
    budget = budget_of(town.payments, DAYS)
    assert budget is not None and budget.paid_wh == (999, 999) and budget.left == 3 + 5
    assert town.has(str(town.payments.address)) == budget.left


def test_a_share_is_paid_once_however_it_is_brought(town: Town) -> None:
    shares = town.settle(DAYS, SHARES)
    town.fund()
    town.bring(DAYS, shares[0])
    with pytest.raises(Refused, match="paid before"):
        town.bring(DAYS, shares[0])
    pay(town.chain, town.payments, STRANGER, DAYS, [*shares, *shares])
    leaves = [(s.household, s.side, s.wh, s.proof_hash, list(s.path)) for s in (*shares, *shares)]
    town.chain.send(STRANGER, town.payments.functions.pay_many(*DAYS, leaves))
    assert town.has(HOMES[0]) == 3 * 600 and town.has(HOMES[2]) == 5 * 749


def test_a_second_root_pays_who_was_late_and_nobody_again(town: Town) -> None:
    late = (HOMES[3], 0)
    first = town.settle(DAYS, SHARES)
    town.fund()
    pay(town.chain, town.payments, STRANGER, DAYS, first)
    second = town.settle(DAYS, {**SHARES, (HOMES[0], 0): 601, late: 1})
    with pytest.raises(Refused, match="paid before"):
        town.bring(DAYS, second[0])
    pay(town.chain, town.payments, STRANGER, DAYS, second)
    assert town.has(HOMES[3]) == 3 and town.has(HOMES[0]) == 3 * 600
    with pytest.raises(Refused, match="paid before"):
        town.bring(DAYS, first[1])


@pytest.mark.parametrize(
    "changed",
    [
        {"wh": 601}, {"side": 1}, {"household": HOMES[3]}, {"proof_hash": bytes(32)}, {"path": ()},
        {"household": STRANGER.address},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_under_the_root_is_not_paid(town: Town, changed: dict[str, Any]) -> None:
    share = town.settle(DAYS, SHARES)[0]
    town.fund()
    with pytest.raises(Refused, match="not a share"):
        town.bring(DAYS, share, **changed)
    with pytest.raises(Refused, match="not a share"):
        town.bring((DAYS[0], DAYS[1] - 1), share)
    with pytest.raises(Refused, match="no side"):
        town.bring(DAYS, share, side=2)


def test_one_false_share_among_several_undoes_them_all(town: Town) -> None:
    shares = town.settle(DAYS, SHARES)
    town.fund()
    with pytest.raises(Refused, match="not a share"):
        pay(town.chain, town.payments, STRANGER, DAYS, [*shares[:2], replace(shares[2], wh=1)])
    assert not any(town.has(home) for home in HOMES)


def test_a_root_of_more_than_was_shared_pays_no_more_than_that(town: Town) -> None:
    """Of a careless or a dishonest operator: the other side's escrow, and other periods', stay untouched."""
    shares = town.settle(DAYS, {(HOMES[0], 0): 700, (HOMES[1], 0): 301, (HOMES[2], 1): 1000})
    town.fund()
    town.bring(DAYS, shares[0])
    with pytest.raises(Refused, match="more than was shared"):
        town.bring(DAYS, shares[1])
    town.bring(DAYS, shares[2])
    budget = budget_of(town.payments, DAYS)
    assert budget is not None and budget.left == 3 * 300


def test_before_it_is_funded_a_period_pays_nothing_not_even_a_share_of_nothing(town: Town) -> None:
    shares = town.settle(DAYS, {**SHARES, (HOMES[3], 0): 0})
    for share in (shares[0], shares[-1]):
        with pytest.raises(Refused, match="the period is not funded"):
            town.bring(DAYS, share)


def test_a_period_is_funded_once_and_no_day_twice(town: Town) -> None:
    town.fund()
    for days in (DAYS, (DAYS[1], DAYS[1] + 30), (DAYS[0] - 300, DAYS[0]), (DAYS[0] + 3, DAYS[0] + 3)):
        with pytest.raises(Refused, match="a day is in another period"):
            town.fund(days)
    town.fund((DAYS[1] + 1, DAYS[1] + 30))
    town.fund((DAYS[0] - 365, DAYS[0] - 1))
    for no_period in ((5, 4), (0, 366)):
        with pytest.raises(Refused, match="no period"):
            town.fund(no_period)
    with pytest.raises(Refused, match="nothing to pay"):
        town.fund((0, 1), rate=(0, 0))


def test_without_the_tokens_nothing_is_funded_and_the_operator_is_told(town: Town) -> None:
    with pytest.raises(TooFewTokens, match=r"comes to 8000 .* has 0: transfer 8000 more"):
        fund(town.chain, town.payments, OPERATOR, DAYS, SHARED_WH, RATE)
    with pytest.raises(Refused):
        town.chain.send(OPERATOR, town.payments.functions.fund(*DAYS, SHARED_WH, list(RATE)))
    assert budget_of(town.payments, DAYS) is None


def test_nobody_else_funds_or_reclaims(town: Town) -> None:
    calls = town.payments.functions
    for call in (calls.fund(*DAYS, SHARED_WH, list(RATE)), calls.reclaim(*DAYS)):
        with pytest.raises(Refused, match="caller is not the owner"):
            town.chain.send(STRANGER, call)


def test_what_nobody_brings_goes_back_after_half_a_year_and_not_before(town: Town) -> None:
    shares = town.settle(DAYS, SHARES)
    town.fund()
    town.bring(DAYS, shares[0])
    reclaim = town.payments.functions.reclaim(*DAYS)
    with pytest.raises(Refused, match="too early"):
        town.chain.send(OPERATOR, reclaim)
    town.chain.advance_to(town.chain.now + HALF_A_YEAR)
    town.chain.send(OPERATOR, reclaim)
    assert town.has(OPERATOR.address) == 8 * SHARED_WH - 3 * 600
    for again in (lambda: town.chain.send(OPERATOR, reclaim), lambda: town.bring(DAYS, shares[1])):
        with pytest.raises(Refused, match="nothing is left"):
            again()


def test_an_escrow_needs_a_registry_and_a_token(town: Town) -> None:
    for registry, token in ((STRANGER.address, str(town.token.address)), (str(town.registry.address), HOMES[0])):
        with pytest.raises(Refused, match="no contract"):
            deploy_payments(town.chain, OPERATOR, registry, token)


class Escrow(RuleBasedStateMachine):
    """Periods are funded, settled again and again, paid and reclaimed in any order, with true and false roots."""

    shares = Bundle("shares")
    town: Town

    @initialize()
    def begin(self) -> None:
        self.snapshot = self.town.chain.tester.take_snapshot()
        self.moment = self.town.chain.now
        self.funded = self.reclaimed = 0
        self.paid: dict[tuple[int, str, int], int] = {}
        self.open: dict[int, int] = {}

    def teardown(self) -> None:
        self.town.chain.tester.revert_to_snapshot(self.snapshot)
        self.town.chain.reset_clock(self.moment)

    @rule(week=st.integers(0, 2), shared=st.integers(1, 50))
    def fund(self, week: int, shared: int) -> None:
        try:
            self.town.fund(_week(week), shared)
        except Refused:
            assert week in self.open
            return
        assert week not in self.open
        self.funded, self.open[week] = self.funded + shared * sum(RATE), shared

    @rule(
        target=shares, week=st.integers(0, 2),
        given=st.dictionaries(st.tuples(st.sampled_from(HOMES), st.integers(0, 1)), st.integers(0, 60), min_size=1),
    )  # fmt: skip
    def settle(self, week: int, given: dict[tuple[str, int], int]) -> tuple[int, list[Brought]]:
        return week, self.town.settle(_week(week), given)

    @rule(brought=shares, number=st.integers(0, 7))
    def pay(self, brought: tuple[int, list[Brought]], number: int) -> None:
        week, share = brought[0], brought[1][number % len(brought[1])]
        try:
            self.town.bring(_week(week), share)
        except Refused:
            return
        assert (week, share.household, share.side) not in self.paid, "once"
        self.paid[week, share.household, share.side] = share.wh

    @rule(week=st.integers(0, 2))
    def reclaim(self, week: int) -> None:
        before = self.town.has(OPERATOR.address)
        self.town.chain.advance_to(self.town.chain.now + HALF_A_YEAR // 2)
        try:
            self.town.chain.send(OPERATOR, self.town.payments.functions.reclaim(*_week(week)))
        except Refused:
            return
        self.reclaimed += self.town.has(OPERATOR.address) - before

    @invariant()
    def no_token_is_made_or_lost(self) -> None:
        for week, shared in self.open.items():
            for side in (0, 1):
                assert sum(wh for (of, _, s), wh in self.paid.items() if (of, s) == (week, side)) <= shared
        for home in HOMES:
            assert self.town.has(home) == sum(RATE[s] * wh for (_, of, s), wh in self.paid.items() if of == home)
        given = sum(RATE[side] * wh for (_, _, side), wh in self.paid.items())
        assert self.town.has(str(self.town.payments.address)) == self.funded - given - self.reclaimed


def _week(number: int) -> tuple[int, int]:
    return 17_400 + 7 * number, 17_406 + 7 * number


@pytest.mark.slow
def test_whatever_happens_no_token_is_made_or_lost(built: Town) -> None:
    machine = type("Here", (Escrow,), {"town": built})
    run_state_machine_as_test(machine, settings=examples(8, stateful_step_count=12))


def test_gas_is_what_was_measured() -> None:
    assert pay_shares() == {name: pytest.approx(KEPT[name], rel=0.01) for name in pay_shares_names()}


def pay_shares_names() -> list[str]:
    return ["settlement_payments_new", "fund_period", "pay_share", "pay_shares_33"]

"""The sumcheck of weighted sums, with challenges that are given: complete, binding, and every message padded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zkp.conftest import Given
from zkp.algebra.field import MODULUS, eq_index, inverse
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import sumcheck
from zkp.argument.cells import Layout
from zkp.argument.gates import interpolated
from zkp.argument.sumcheck import HALF, Mask, Reduced
from zkp.errors import WitnessError

scalars = st.integers(0, MODULUS - 1)
DEGREE = 3


def f(a: int, b: int, c: int) -> int:
    """Degree three in every variable of three multilinear tables."""
    return (a * b * c - 2 * a + b) % MODULUS


@dataclass
class Cubic:
    """The sum of f over three tables, by the definition."""

    tables: list[Vector]
    weights: Sequence[int]

    def coefficients(self) -> list[int]:
        half = len(self.tables[0]) // 2
        bits = half.bit_length() - 1
        values = []
        for x in range(DEGREE + 1):
            folded = [t.fold(x).to_ints() for t in self.tables]
            rows = zip(*folded, strict=True)
            values.append(sum(eq_index(k, self.weights[:bits]) * f(*row) for k, row in enumerate(rows)) % MODULUS)
        return interpolated(values)

    def bind(self, r: int) -> None:
        self.tables = [t.fold(r) for t in self.tables]

    def at(self, point: Sequence[int]) -> int:
        table = Vector.eq_table(point)
        return f(*(t.inner(table) for t in self.tables))


class Run:
    """Tables of 2^3 entries, weights, a mask and challenges, drawn; the prover has run."""

    def __init__(self, random: RandomScalars, variables: int = 3, weights: list[int] | None = None) -> None:
        self.weights = random(variables) if weights is None else weights
        self.summand = Cubic([Vector.from_ints(random(1 << variables)) for _ in range(3)], self.weights)
        rows = zip(*(t.to_ints() for t in self.summand.tables), strict=True)
        self.claim = sum(eq_index(k, self.weights) * f(*row) for k, row in enumerate(rows)) % MODULUS
        self.mask = random(variables * DEGREE)
        self.challenges = random(variables)
        self.channel = Given(self.challenges)
        self.reduced = self.prove(self.claim)

    def prove(self, claim: int) -> Reduced:
        fresh: Any = Cubic(list(self.summand.tables), self.weights)
        channel: Any = self.channel
        return sumcheck.prove(channel, "f", fresh, self.weights, claim, self.mask)

    def verified(self, claim: int | None = None, forge: Callable[[list[Any]], None] = lambda sent: None) -> Reduced:
        channel: Any = Given(self.challenges)
        channel.sent = [(label, list(values)) for label, values in self.channel.sent]
        forge(channel.sent)
        return sumcheck.verify(channel, "f", self.weights, DEGREE, self.claim if claim is None else claim)

    def mask_value(self, point: Sequence[int]) -> int:
        """By its linear form, from the mask's cells."""
        mask = Mask("mask", 2, len(self.weights), DEGREE)
        layout = Layout.plan(16, {"g": [("mask", 2 + mask.size)]})
        cells = Vector.from_ints([0, 0, *self.mask, *[0] * (14 - mask.size)])
        return mask.value(self.weights, point).weights(layout).inner(cells)


@pytest.fixture(params=[None, [HALF] * 3], ids=["eq", "mean"])
def run(scalars: RandomScalars, request: pytest.FixtureRequest) -> Run:
    return Run(scalars, weights=request.param)


def test_both_sides_are_left_with_the_value_of_f_and_mask_at_the_point(run: Run) -> None:
    reduced = run.verified()
    assert reduced.point == run.challenges[::-1]
    assert reduced == run.reduced
    assert (reduced.value - run.summand.at(reduced.point) - run.mask_value(reduced.point)) % MODULUS == 0


def test_with_weights_of_one_half_the_mean_is_proven(scalars: RandomScalars) -> None:
    run = Run(scalars, weights=[HALF] * 3)
    total = sum(f(*row) for row in zip(*(t.to_ints() for t in run.summand.tables), strict=True))
    assert run.claim == total * inverse(8) % MODULUS


def test_a_false_claim_is_noticed_by_an_honest_prover(run: Run) -> None:
    run.channel = Given(run.challenges)
    with pytest.raises(WitnessError, match=r"\(f\)"):
        run.prove(run.claim + 1)


def test_a_false_claim_leaves_the_verifier_with_a_wrong_value(run: Run) -> None:
    assert run.verified(run.claim + 1).value != run.reduced.value


def test_every_message_counts(run: Run) -> None:
    places = [(k, i) for k, (_, values) in enumerate(run.channel.sent) for i in range(len(values))]
    assert len(places) == 3 * DEGREE
    for k, i in places:

        def add_one(sent: list[Any], k: int = k, i: int = i) -> None:
            sent[k][1][i] += 1

        assert run.verified(forge=add_one).value != run.reduced.value


def test_a_mask_never_changes_the_sum(scalars: RandomScalars) -> None:
    """sum_x eq(w, x) g(x) = 0 for any coefficients: so a prover gains nothing by its mask."""
    run = Run(scalars)
    corners = [list(bits) for bits in product((0, 1), repeat=3)]
    total = sum(
        eq_index(sum(b << k for k, b in enumerate(corner)), run.weights) * run.mask_value(corner)
        for corner in corners
    )
    assert total % MODULUS == 0


@given(st.integers(1, 4), st.integers(1, 5), st.data())
def test_each_sent_coefficient_carries_its_own_cell_of_the_mask(
    variables: int, degree: int, data: st.DataObject
) -> None:
    """Messages are those of f plus the mask's cells, one by one: uniform cells make uniform messages."""

    class Nothing:
        def coefficients(self) -> list[int]:
            return [0] * (degree + 1)

        def bind(self, r: int) -> None: ...

    cells, weights, challenges = (
        data.draw(st.lists(scalars, min_size=n, max_size=n)) for n in (variables * degree, variables, variables)
    )
    channel: Any = Given(challenges)
    sumcheck.prove(channel, "f", Nothing(), weights, 0, cells)
    sent = channel.scalars()
    last_first = [cells[k * degree : (k + 1) * degree] for k in reversed(range(variables))]
    assert sent == [c for part in last_first for c in part]


@given(st.lists(scalars, min_size=1, max_size=7), scalars)
def test_interpolation_recovers_the_polynomial(coefficients: list[int], x: int) -> None:
    values = [sum(c * k**e for e, c in enumerate(coefficients)) % MODULUS for k in range(len(coefficients))]
    assert [c % MODULUS for c in interpolated(values)] == coefficients

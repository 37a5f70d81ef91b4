"""The masked sumcheck, with challenges that are given: complete, binding, and every message uniform."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zkp.conftest import Given
from zkp.algebra.field import MODULUS
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import sumcheck
from zkp.argument.sumcheck import Mask, MaskShape, Reduced, TableSum
from zkp.errors import WitnessError

scalars = st.integers(0, MODULUS - 1)
shapes = st.builds(MaskShape, st.integers(1, 4), st.integers(1, 6))


def masks(shape: MaskShape) -> st.SearchStrategy[Mask]:
    return st.lists(scalars, min_size=shape.size, max_size=shape.size).map(lambda c: Mask(shape, c))


def corners(variables: int) -> list[list[int]]:
    return [[index >> k & 1 for k in range(variables)] for index in range(1 << variables)]


def value_of(mask: Mask, point: list[int]) -> int:
    return sum(w * c for w, c in zip(mask.shape.weights(point), mask.coefficients, strict=True)) % MODULUS


def cubic(tables: list[Vector]) -> Vector:
    """a b c - 2 a + b: degree three in every variable."""
    a, b, c = tables
    return a * b * c - a * 2 + b


def at(tables: list[Vector], point: list[int]) -> int:
    table = Vector.eq_table(point)
    a, b, c = (t.inner(table) for t in tables)
    return (a * b * c - 2 * a + b) % MODULUS


class Run:
    """Tables of 2^3 entries, a mask and challenges, drawn; the prover has run."""

    def __init__(self, random: RandomScalars, variables: int = 3) -> None:
        self.shape = MaskShape(variables, 3)
        self.tables = [Vector.from_ints(random(1 << variables)) for _ in range(3)]
        self.claim = cubic(self.tables).total()
        self.mask = Mask(self.shape, random(self.shape.size))
        self.challenges = random(1 + variables)
        self.channel = Given(self.challenges)
        self.point = self.prove(self.claim)

    def prove(self, claim: int) -> list[int]:
        return sumcheck.prove(self.channel, "f", TableSum(list(self.tables), cubic), claim, self.mask)  # type: ignore[arg-type]

    def reduced(self, claim: int | None = None, forge: Callable[[list[Any]], None] = lambda sent: None) -> Reduced:
        channel = Given(self.challenges)
        channel.sent = [(label, list(values)) for label, values in self.channel.sent]
        forge(channel.sent)
        return sumcheck.verify(channel, "f", self.shape, self.claim if claim is None else claim)  # type: ignore[arg-type]


@pytest.fixture
def run(scalars: RandomScalars) -> Run:
    return Run(scalars)


def test_the_verifier_is_left_with_the_polynomials_value_at_the_point(run: Run) -> None:
    reduced = run.reduced()
    assert reduced.point == run.point == run.challenges[:0:-1]
    assert reduced.value == at(run.tables, run.point)
    assert reduced.mask_value == value_of(run.mask, run.point)


def test_a_false_claim_is_noticed_by_an_honest_prover(scalars: RandomScalars) -> None:
    run = Run(scalars)
    run.channel = Given(run.challenges)
    with pytest.raises(WitnessError, match=r"\(f\)"):
        run.prove(run.claim + 1)


def test_a_false_claim_leaves_the_verifier_with_a_wrong_value(run: Run) -> None:
    assert run.reduced(run.claim + 1).value != at(run.tables, run.point)


def test_every_message_counts(run: Run) -> None:
    """Any sent value changed: what the verifier is left with is false of the polynomial or of its mask."""
    honest = run.reduced()
    places = [(k, i) for k, (_, values) in enumerate(run.channel.sent) for i in range(len(values))]
    assert len(places) == 1 + 3 * 3 + 1
    for k, i in places:

        def add_one(sent: list[Any], k: int = k, i: int = i) -> None:
            sent[k][1][i] += 1

        forged = run.reduced(forge=add_one)
        assert (forged.value, forged.mask_value) != (honest.value, honest.mask_value)


# -- masks -----------------------------------------------------------------------------------------------------------


@given(shapes.flatmap(masks))
def test_a_masks_total_is_its_sum_over_the_cube(mask: Mask) -> None:
    assert mask.total() == sum(value_of(mask, c) for c in corners(mask.shape.variables)) % MODULUS


@given(shapes.flatmap(masks), st.data())
def test_a_masks_rounds_are_sums_over_what_is_still_free(mask: Mask, data: st.DataObject) -> None:
    variables = mask.shape.variables
    bound = data.draw(st.lists(scalars, max_size=variables - 1))
    variable = variables - 1 - len(bound)
    fixed = bound[::-1]  # bound from the highest variable down
    rest = sum(mask.at(variable + 1 + k, x) for k, x in enumerate(fixed))
    expected = [
        sum(value_of(mask, [*free, x, *fixed]) for free in corners(variable)) % MODULUS
        for x in range(mask.shape.degree + 1)
    ]
    assert mask.round_values(variable, rest) == expected


def rank(rows: list[list[int]]) -> int:
    """Rank modulo r, by elimination."""
    rows, found = [row.copy() for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((k for k in range(found, len(rows)) if rows[k][column] % MODULUS), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][column], -1, MODULUS)
        for k in range(found + 1, len(rows)):
            factor = rows[k][column] * inverse
            rows[k] = [(a - factor * b) % MODULUS for a, b in zip(rows[k], rows[found], strict=True)]
        found += 1
    return found


@pytest.mark.parametrize("shape", [MaskShape(1, 2), MaskShape(3, 3), MaskShape(4, 6), MaskShape(6, 2)], ids=str)
def test_masked_messages_are_uniform_whatever_is_summed(shape: MaskShape, scalars: RandomScalars) -> None:
    """The map from a mask's coefficients to the prover's messages is linear and one to one: a uniform mask makes
    uniform messages. (The mask's value is not counted: it follows from them and from the value of f.)"""
    zero = Vector.zeros(1 << shape.variables)
    challenges = scalars(1 + shape.variables)

    def messages(coefficients: list[int]) -> list[int]:
        channel = Given(challenges)
        summand = TableSum([zero], lambda tables: tables[0])
        sumcheck.prove(channel, "f", summand, 0, Mask(shape, coefficients))  # type: ignore[arg-type]
        return channel.scalars()[:-1]

    units = [[int(i == k) for i in range(shape.size)] for k in range(shape.size)]
    assert rank([messages(unit) for unit in units]) == shape.size == 1 + shape.variables * shape.degree

"""Many small linear relations as one: the combination is what the definition says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import MODULUS
from zkp.algebra.srs import ROW
from zkp.algebra.vector import Vector
from zkp.argument.cells import Layout
from zkp.argument.constraints import Relations

BLOCKS = ("a", "b")
LAYOUT = Layout.plan({"rows": [(name, ROW, ROW) for name in BLOCKS]})
cells = st.tuples(st.sampled_from(BLOCKS), st.integers(0, 9), st.integers(-(1 << 62), 1 << 62))
relations = st.lists(st.tuples(st.lists(cells, min_size=1, max_size=4), st.integers(-99, 99)), min_size=1, max_size=5)
bases = st.integers(1, MODULUS - 1)


def matrix(seed: int) -> list[int]:
    return [int(v) for v in np.random.default_rng(seed).integers(0, 1 << 60, LAYOUT.cells)]


@given(relations, bases, st.integers(0, 99))
def test_the_combination_is_the_sum_by_powers_of_the_base(
    listed: list[tuple[list[tuple[str, int, int]], int]], base: int, seed: int
) -> None:
    made, contents = Relations(), matrix(seed)
    expected = 0
    for k, (terms, constant) in enumerate(listed):
        made.add(terms, constant)
        value = constant + sum(c * contents[LAYOUT.blocks[b].offset + cell] for b, cell, c in terms)
        expected += pow(base, k, MODULUS) * value
    linear = made.combine(base)
    value = linear.weights(LAYOUT).inner(Vector.from_ints(contents)) + linear.constant
    assert (value - expected) % MODULUS == 0


@given(bases)
def test_one_relation_that_fails_is_not_hidden_by_others_that_hold(base: int) -> None:
    made = Relations()
    made.add([("a", 0, 1), ("a", 1, -1)])
    made.add([("a", 2, 1)], -7)
    made.add([("b", 0, 1), ("a", 0, -2)])
    contents = [0] * LAYOUT.cells
    contents[0:3] = 5, 5, 8
    contents[LAYOUT.blocks["b"].offset] = 10
    linear = made.combine(base)
    value = linear.weights(LAYOUT).inner(Vector.from_ints(contents)) + linear.constant
    assert value % MODULUS == base

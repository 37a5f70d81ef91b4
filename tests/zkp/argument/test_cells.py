"""The committed matrix: blocks do not overlap, and a linear function is the same written out and at a point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import MODULUS, inverse
from zkp.algebra.vector import Vector
from zkp.argument.cells import Layout, Linear, Term, combined
from zkp.argument.forms import PowerAxis, Powers, TensorForm, run_of

LENGTH = 16
scalars = st.integers(0, MODULUS - 1)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, dict[str, tuple[str, int]]]:
    """A plan, and the group and cells of each block."""
    groups: dict[str, list[tuple[str, int]]] = {}
    blocks = {}
    for g in range(draw(st.integers(1, 3))):
        sizes = draw(st.lists(st.integers(1, 40), min_size=1, max_size=6))
        groups[f"{g}"] = [(f"{g}.{k}", used) for k, used in enumerate(sizes)]
        blocks |= {name: (f"{g}", used) for name, used in groups[f"{g}"]}
    return Layout.plan(LENGTH, groups), blocks


@given(layouts())
def test_no_two_blocks_share_a_cell_and_none_leaves_the_matrix(
    planned: tuple[Layout, dict[str, tuple[str, int]]],
) -> None:
    layout, blocks = planned
    places = [range(layout.cells(name).start, layout.cells(name).stop) for name in blocks]
    cells = [cell for place in places for cell in place]
    assert len(set(cells)) == len(cells) == sum(used for _, used in blocks.values())
    assert max(cells) < layout.rows * LENGTH


@given(layouts())
def test_a_block_stays_in_the_rows_of_its_group_and_in_one_if_it_can(
    planned: tuple[Layout, dict[str, tuple[str, int]]],
) -> None:
    layout, blocks = planned
    rows = [row for group in layout.groups.values() for row in group]
    assert rows == list(range(layout.rows))
    for name, (group, used) in blocks.items():
        block = layout.blocks[name]
        last = block.row + (block.place + used - 1) // LENGTH
        assert {block.row, last} <= set(layout.groups[group])
        assert block.row == last or (used > LENGTH and block.place == 0)


def test_rows_are_filled_before_new_ones_are_begun() -> None:
    layout = Layout.plan(16, {"a": [("long", 20), ("half", 8), ("small", 4), ("full", 16)], "b": [("own", 1)]})
    assert layout.rows == 4
    assert {name: (b.row, b.place) for name, b in layout.blocks.items()} == {
        "long": (0, 0), "full": (2, 0), "half": (1, 4), "small": (1, 12), "own": (3, 0),
    }  # fmt: skip


@given(layouts(), scalars.filter(bool), st.data())
def test_weights_at_a_point_are_those_written_out_row_by_row(
    planned: tuple[Layout, dict[str, tuple[str, int]]], value: int, data: st.DataObject
) -> None:
    layout, blocks = planned
    terms = []
    for name, (_, used) in blocks.items():
        stride = data.draw(st.integers(1, 5))
        count = data.draw(st.integers(0, -(-used // stride)))
        axes = (PowerAxis(stride, count, data.draw(scalars)),)
        terms.append(Term(name, data.draw(scalars), TensorForm(axes)))
        terms.append(Term(name, data.draw(scalars), run_of(used - 1, 1)))
    linear = Linear(tuple(terms))
    weights = linear.weights(layout).to_ints()
    found = linear.at(layout, Powers(value, inverse(value)))
    for row in range(layout.rows):
        cells = weights[row * LENGTH : (row + 1) * LENGTH]
        expected = sum(w * pow(value, k, MODULUS) for k, w in enumerate(cells))
        assert (found.get(row, 0) - expected) % MODULUS == 0


@given(st.lists(st.tuples(scalars, scalars, scalars), min_size=1, max_size=4), scalars)
def test_claims_are_combined_with_the_powers_of_a_challenge(parts: list[tuple[int, int, int]], theta: int) -> None:
    """Whatever the cells are, the combined claim's error is the combination of the claims' errors."""
    layout = Layout.plan(LENGTH, {"a": [("x", 4)]})
    cells = Vector.from_ints([3, 1, 4, 1, *[0] * 12])
    claims = [(Linear((Term("x", k, run_of(0, 4, ratio)),), 5), value) for k, ratio, value in parts]

    def error(linear: Linear, value: int) -> int:
        return linear.weights(layout).inner(cells) + linear.constant - value

    expected = sum(pow(theta, k, MODULUS) * error(*claim) for k, claim in enumerate(claims))
    assert (error(*combined(claims, theta)) - expected) % MODULUS == 0


@pytest.mark.parametrize("scale", [0, 1, MODULUS - 1])
def test_scaling_and_adding_are_those_of_functions(scale: int) -> None:
    layout = Layout.plan(LENGTH, {"a": [("x", 4)]})
    one = Linear((Term("x", 2, run_of(0, 4)),), 3)
    both = one.times(scale).plus(one)
    assert both.constant == 3 * (scale + 1) % MODULUS
    assert both.weights(layout).to_ints()[:4] == [2 * (scale + 1) % MODULUS] * 4

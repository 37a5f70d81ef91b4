"""The committed matrix: blocks do not overlap, and a form is the same dense and at a point."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws import examples
from zkp.algebra.field import MODULUS, eq_index
from zkp.algebra.srs import ROW
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument.cells import (
    CellForm,
    ChosenForm,
    DenseForm,
    EqForm,
    Form,
    Layout,
    Linear,
    NumberForm,
    OuterForm,
    PointTables,
    SparseForm,
    Term,
)

scalars = st.integers(0, MODULUS - 1)
sizes = st.integers(0, 14).map(lambda bits: 1 << bits)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[Layout, dict[str, str]]:
    """A plan, and the group of each block."""
    groups: dict[str, list[tuple[str, int, int]]] = {}
    owner = {}
    for g in range(draw(st.integers(1, 3))):
        entries = []
        for b in range(draw(st.integers(1, 4))):
            size = draw(sizes)
            entries.append((f"{g}.{b}", size, draw(st.integers(1, size))))
            owner[f"{g}.{b}"] = f"{g}"
        groups[f"{g}"] = entries
    return Layout.plan(dict(groups)), owner


@given(layouts())
def test_blocks_are_aligned_apart_and_inside(planned: tuple[Layout, dict[str, str]]) -> None:
    layout, owner = planned
    assert set(layout.blocks) == set(owner)
    assert layout.cells == 1 << layout.bits and layout.cells % ROW == 0
    taken = sorted((b.offset, b.offset + b.size) for b in layout.blocks.values())
    assert all(stop <= start for (_, stop), (start, _) in pairwise(taken))
    assert taken[-1][1] <= layout.cells
    assert all(b.offset % b.size == 0 for b in layout.blocks.values())


@given(layouts())
def test_a_row_belongs_to_one_group_and_every_used_cell_to_a_committed_row(
    planned: tuple[Layout, dict[str, str]],
) -> None:
    layout, owner = planned
    rows = [r for committed in layout.groups.values() for r in committed]
    assert len(set(rows)) == len(rows)
    for name, block in layout.blocks.items():
        assert set(block.rows) <= set(layout.groups[owner[name]])
        assert {block.offset // ROW, (block.offset + block.used - 1) // ROW} <= set(block.rows)


# -- forms -----------------------------------------------------------------------------------------------------------

BITS = 4


@st.composite
def forms(draw: st.DrawFn) -> Form:
    def vector(count: int) -> Vector:
        return Vector.from_ints(draw(st.lists(scalars, min_size=count, max_size=count)))

    kind = draw(st.sampled_from(["eq", "dense", "outer", "sparse", "cell"]))
    if kind == "eq":
        return EqForm(tuple(draw(st.lists(scalars, min_size=BITS, max_size=BITS))))
    if kind == "dense":
        start = draw(st.integers(0, 15))
        return DenseForm(vector(draw(st.integers(1, 16 - start))), start)
    if kind == "sparse":
        cells = draw(st.lists(st.integers(0, 15), min_size=1, max_size=20))
        return SparseForm(np.array(cells), vector(len(cells)), draw(st.integers(max(cells) + 1, 16)))
    if kind == "cell":
        return CellForm(draw(st.integers(0, 15)))
    low = 1 << draw(st.integers(0, BITS))
    return OuterForm(vector(draw(st.integers(1, (1 << BITS) // low))), vector(low))


@st.composite
def forms_of_equal_parts(draw: st.DrawFn) -> Form:
    width = draw(st.integers(1, 5))
    start = draw(st.integers(0, 11))
    count = draw(st.integers(1, (16 - start) // width))
    weights = st.lists(scalars, min_size=count, max_size=count)
    if draw(st.booleans()):
        return NumberForm(start, width, Vector.from_ints(draw(weights)))
    choice = draw(st.lists(scalars, min_size=1, max_size=16 // count))
    return ChosenForm(tuple(choice), Vector.from_ints(draw(weights)))


@given(st.one_of(forms(), forms_of_equal_parts()), st.lists(scalars, min_size=BITS, max_size=BITS))
def test_a_form_at_a_point_is_the_extension_of_its_weights(form: Form, point: list[int]) -> None:
    expected = sum(w * eq_index(k, point) for k, w in enumerate(form.dense().to_ints())) % MODULUS
    assert form.at(PointTables(point), BITS) % MODULUS == expected


def test_an_eq_form_of_another_size_than_its_block_is_an_error() -> None:
    with pytest.raises(ValueError):
        EqForm((1, 2)).at(PointTables([1, 2, 3]), 3)


LAYOUT = Layout.plan({"one": [("a", 16, 16), ("b", 16, 16)], "two": [("c", 16, 16), ("d", 2 * ROW, ROW)]})
terms = st.tuples(st.sampled_from("abcd"), scalars, forms())


def linear_of(listed: list[tuple[str, int, Form]], constant: int) -> Linear:
    # An eq form spans its block; block d is larger than the others.
    kept = [t for t in listed if not (t[0] == "d" and isinstance(t[2], EqForm))]
    return Linear(tuple(Term(*t) for t in kept), constant)


@examples(25)
@given(st.lists(terms, max_size=6), scalars, st.data())
def test_the_weights_at_a_point_are_the_extension_of_all_weights(
    listed: list[tuple[str, int, Form]], constant: int, data: st.DataObject
) -> None:
    point = data.draw(st.lists(scalars, min_size=LAYOUT.bits, max_size=LAYOUT.bits))
    linear = linear_of(listed, constant)
    assert linear.weights_at(LAYOUT, point) == linear.weights(LAYOUT).inner(Vector.eq_table(point))


@examples(25)
@given(st.lists(terms, max_size=3), st.lists(terms, max_size=3), scalars, scalars)
def test_plus_adds_values(
    left: list[tuple[str, int, Form]], right: list[tuple[str, int, Form]], constant: int, scale: int
) -> None:
    a, b = linear_of(left, constant), linear_of(right, 7)
    both = a.plus(b.times(scale))
    expected = a.weights(LAYOUT) + b.weights(LAYOUT) * scale
    assert both.weights(LAYOUT).to_ints() == expected.to_ints()
    assert both.constant == (constant + 7 * scale) % MODULUS


def test_an_eq_forms_value_is_that_of_the_blocks_cells(scalars: RandomScalars) -> None:
    """<weights, cells> of an eq form is the block read as a multilinear polynomial."""
    cells, point = Vector.from_ints(scalars(LAYOUT.cells)), scalars(4)
    block = LAYOUT.blocks["b"]
    read = cells[block.offset : block.offset + 16].inner(Vector.eq_table(point))
    assert Linear((Term("b", 1, EqForm(tuple(point))),)).weights(LAYOUT).inner(cells) == read

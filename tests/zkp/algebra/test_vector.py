"""Vectors over the scalar field: the same laws for the compiled ones and for their plain twin."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra import vector, vector_plain
from zkp.algebra.field import MODULUS, eq_index
from zkp.algebra.vector_plain import PlainVector

scalars = st.one_of(
    st.sampled_from([0, 1, 2, MODULUS - 1, MODULUS - 2, (1 << 64) - 1, 1 << 64, 1 << 128, 1 << 192]),
    st.integers(0, MODULUS - 1),
)
lists = st.lists(scalars, min_size=1, max_size=9)
tables = st.integers(1, 4).flatmap(lambda n: st.lists(scalars, min_size=1 << n, max_size=1 << n))
pairs = st.lists(st.tuples(scalars, scalars), min_size=1, max_size=9)

TWINS = pytest.mark.parametrize("module", [vector, vector_plain], ids=["compiled", "plain"])


def kind(module: ModuleType) -> Any:
    return vector.Vector if module is vector else PlainVector


@TWINS
@given(values=st.lists(st.integers(-(1 << 300), 1 << 300), min_size=1, max_size=9))
def test_integers_of_any_size_come_back_reduced(module: ModuleType, values: list[int]) -> None:
    made = kind(module).from_ints(values)
    assert made.to_ints() == [v % MODULUS for v in values]
    limbs = [sum(int(w) << 64 * k for k, w in enumerate(row)) for row in made.canonical()]
    assert limbs == made.to_ints()


@TWINS
@given(values=st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=9))
def test_arrays_are_read_with_their_sign(module: ModuleType, values: list[int]) -> None:
    made = kind(module).from_array(np.array(values, dtype=np.int64))
    assert made.to_ints() == [v % MODULUS for v in values]


@TWINS
@given(values=pairs, number=scalars)
def test_arithmetic_is_that_of_integers_modulo_r(
    module: ModuleType, values: list[tuple[int, int]], number: int
) -> None:
    a, b = (kind(module).from_ints(side) for side in zip(*values, strict=True))
    assert (a + b).to_ints() == [(x + y) % MODULUS for x, y in values]
    assert (a - b).to_ints() == [(x - y) % MODULUS for x, y in values]
    assert (a * b).to_ints() == [x * y % MODULUS for x, y in values]
    assert (a + number).to_ints() == (number + a).to_ints() == [(x + number) % MODULUS for x, _ in values]
    assert (a * number).to_ints() == (number * a).to_ints() == [x * number % MODULUS for x, _ in values]
    assert (a - number).to_ints() == [(x - number) % MODULUS for x, _ in values]
    assert (number - a).to_ints() == [(number - x) % MODULUS for x, _ in values]
    assert a.inner(b) == sum(x * y for x, y in values) % MODULUS
    assert a.total() == sum(x for x, _ in values) % MODULUS


@TWINS
@given(values=lists)
def test_inverses_multiply_to_one_and_zero_has_none(module: ModuleType, values: list[int]) -> None:
    made = kind(module).from_ints(values)
    if 0 in values:
        with pytest.raises(ZeroDivisionError):
            made.inverses()
    else:
        assert (made * made.inverses()).to_ints() == [1] * len(values)


@TWINS
@given(point=st.lists(scalars, max_size=4), scale=scalars)
def test_eq_table_holds_eq_of_every_index(module: ModuleType, point: list[int], scale: int) -> None:
    made = kind(module).eq_table(point, scale)
    assert made.to_ints() == [scale * eq_index(k, point) % MODULUS for k in range(1 << len(point))]


@TWINS
@given(values=tables, data=st.data())
def test_folding_is_the_multilinear_extension(module: ModuleType, values: list[int], data: st.DataObject) -> None:
    bits = len(values).bit_length() - 1
    point = data.draw(st.lists(scalars, min_size=bits, max_size=bits))
    folded = kind(module).from_ints(values)
    for x in reversed(point):
        folded = folded.fold(x)
    expected = kind(module).from_ints(values).inner(kind(module).eq_table(point))
    assert folded.to_ints() == [expected]


@TWINS
@given(values=lists, x=scalars)
def test_a_sum_of_fractions_is_that_of_the_powers(module: ModuleType, values: list[int], x: int) -> None:
    made = kind(module).from_ints(values)
    if 0 in values:
        with pytest.raises(ZeroDivisionError):
            made.fraction_sum(x)
    else:
        expected = sum(pow(x, k, MODULUS) * pow(v, -1, MODULUS) for k, v in enumerate(values))
        assert made.fraction_sum(x) == expected % MODULUS


@TWINS
@given(weights=lists, data=st.data())
def test_rows_are_combined_with_their_weights(module: ModuleType, weights: list[int], data: st.DataObject) -> None:
    small = st.integers(-(1 << 63) + 1, (1 << 63) - 1)
    rows = data.draw(st.lists(st.lists(small, min_size=3, max_size=3), min_size=len(weights), max_size=len(weights)))
    expected = [sum(w * row[m] for w, row in zip(weights, rows, strict=True)) % MODULUS for m in range(3)]
    assert kind(module).from_ints(weights).combine(np.array(rows, dtype=np.int64)).to_ints() == expected


@TWINS
@given(left=lists, right=lists, data=st.data())
def test_a_bilinear_form_is_the_sum_over_all_pairs(
    module: ModuleType, left: list[int], right: list[int], data: st.DataObject
) -> None:
    size = len(left) * len(right)
    values = data.draw(st.lists(scalars, min_size=size, max_size=size))
    found = vector.bilinear(*(kind(module).from_ints(v) for v in (left, right, values)))
    pairs = [x * y for x in left for y in right]
    assert found == sum(p * v for p, v in zip(pairs, values, strict=True)) % MODULUS


@given(start=scalars, steps=lists, data=st.data())
def test_a_walk_falls_by_its_steps(start: int, steps: list[int], data: st.DataObject) -> None:
    pattern = data.draw(st.lists(st.integers(0, len(steps) - 1), min_size=1, max_size=9))
    walked = vector.Vector.walk(start, vector.Vector.from_ints(steps), np.array(pattern, dtype=np.int64))
    expected = [start - sum(steps[k] for k in pattern[1 : n + 1]) for n in range(len(pattern))]
    assert walked.to_ints() == [v % MODULUS for v in expected]


@given(values=lists, data=st.data())
def test_values_are_added_at_their_places(values: list[int], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, 4), min_size=len(values), max_size=len(values)))
    made = vector.Vector.from_ints([1, 2, 3, 4, 5])
    made.add_at(np.array(places, dtype=np.int64), vector.Vector.from_ints(values))
    expected = [1, 2, 3, 4, 5]
    for place, value in zip(places, values, strict=True):
        expected[place] += value
    assert made.to_ints() == [v % MODULUS for v in expected]


@TWINS
@given(values=lists)
def test_a_reversed_vector_shows_its_elements_backwards(module: ModuleType, values: list[int]) -> None:
    assert kind(module).from_ints(values).reversed().to_ints() == [v % MODULUS for v in reversed(values)]


@TWINS
@given(values=lists, at=scalars)
def test_division_by_a_linear_factor_gives_back_the_polynomial(
    module: ModuleType, values: list[int], at: int
) -> None:
    made = kind(module).from_ints(values)
    quotient, rest = made.divide_linear(at)
    q = [*quotient.to_ints(), 0]
    assert rest == made.evaluate(at) == sum(v * pow(at, k, MODULUS) for k, v in enumerate(values)) % MODULUS
    back = [(q[k - 1] if k else rest) - at * q[k] for k in range(len(values))]
    assert [v % MODULUS for v in back] == values


@TWINS
@given(left=lists, right=lists)
def test_outer_and_concatenate(module: ModuleType, left: list[int], right: list[int]) -> None:
    a, b = kind(module).from_ints(left), kind(module).from_ints(right)
    assert a.outer(b).to_ints() == [x * y % MODULUS for x in left for y in right]
    assert module.concatenate([a, b]).to_ints() == left + right


@TWINS
def test_slices_share_memory_and_copies_do_not(module: ModuleType) -> None:
    made = kind(module).from_ints([1, 2, 3, 4, 5, 6])
    copy, part = made.copy(), made[1:][::2]
    part[:2] = kind(module).from_ints([20, 40])
    assert made.to_ints() == [1, 20, 3, 40, 5, 6]
    assert copy.to_ints() == [1, 2, 3, 4, 5, 6]


def test_fresh_scalars_are_canonical_and_differ() -> None:
    drawn = vector.fresh_scalars(50)
    assert len(set(drawn)) == 50
    assert all(0 <= v < MODULUS for v in drawn)

"""The scalar field's small helpers: each against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import (
    MODULUS,
    eq,
    eq_index,
    eq_values,
    interpolate,
    inverse,
    powers,
    prefix_sum,
    signed,
    squares,
)

scalars = st.integers(0, MODULUS - 1)
points = st.lists(scalars, min_size=1, max_size=5)


def test_the_modulus_is_the_order_of_bls12_381() -> None:
    """r = z^4 - z^2 + 1 for the curve family's parameter z = -0xd201000000010000."""
    z = -0xD201000000010000
    assert z**4 - z**2 + 1 == MODULUS
    assert pow(7, MODULUS - 1, MODULUS) == 1


@given(scalars.filter(bool))
def test_a_value_times_its_inverse_is_one(value: int) -> None:
    assert value * inverse(value) % MODULUS == 1


@pytest.mark.parametrize("zero", [0, MODULUS, -MODULUS])
def test_zero_has_no_inverse(zero: int) -> None:
    with pytest.raises(ZeroDivisionError):
        inverse(zero)


@given(scalars, st.integers(1, 9))
def test_powers_are_powers(base: int, count: int) -> None:
    assert powers(base, count) == [pow(base, k, MODULUS) for k in range(count)]


@given(st.integers(-(1 << 200), 1 << 200))
def test_signed_reads_back_small_integers(value: int) -> None:
    assert signed(value % MODULUS) == value


@given(points, st.data())
def test_eq_is_one_at_equal_corners_and_zero_at_others(point: list[int], data: st.DataObject) -> None:
    bits = [p & 1 for p in point]
    other = data.draw(st.lists(st.integers(0, 1), min_size=len(bits), max_size=len(bits)))
    assert eq(bits, other) == int(bits == other)


@given(points)
def test_eq_index_is_eq_at_the_bits_and_sums_to_one(point: list[int]) -> None:
    corners = range(1 << len(point))
    for index in corners:
        assert eq_index(index, point) == eq([index >> k & 1 for k in range(len(point))], point)
    assert sum(eq_index(index, point) for index in corners) % MODULUS == 1


def test_eq_of_points_of_different_length_is_an_error() -> None:
    with pytest.raises(ValueError):
        eq([1, 2], [1])


@given(st.lists(scalars, min_size=1, max_size=7), scalars)
def test_interpolation_recovers_the_polynomial(coefficients: list[int], at: int) -> None:
    def value(x: int) -> int:
        return sum(c * pow(x, k, MODULUS) for k, c in enumerate(coefficients)) % MODULUS

    assert interpolate([value(x) for x in range(len(coefficients))], at) == value(at)


@given(scalars, st.integers(0, 9))
def test_squares_are_powers_whose_products_are_all_powers(base: int, count: int) -> None:
    """What Kronecker's substitution needs: every product of coordinates is a power of its own."""
    point = squares(base, count)
    assert point == [pow(base, 1 << k, MODULUS) for k in range(count)]


@given(points)
def test_eq_values_are_those_of_all_indices(point: list[int]) -> None:
    assert [v % MODULUS for v in eq_values(point)] == [eq_index(k, point) for k in range(1 << len(point))]


@given(st.lists(st.tuples(scalars, scalars), max_size=5), st.data())
def test_a_prefix_sum_adds_the_products_of_the_bits(weights: list[tuple[int, int]], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 1 << len(weights)))
    expected = 0
    for index in range(count):
        product = 1
        for k, pair in enumerate(weights):
            product *= pair[index >> k & 1]
        expected += product
    zeros, ones = [z for z, _ in weights], [o for _, o in weights]
    assert prefix_sum(count, zeros, ones) == expected % MODULUS

"""The scalar field's small helpers: each against its definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import (
    MODULUS,
    eq_index,
    geometric,
    inverse,
    inverses,
    power,
    powers,
    prefix_sum,
    root_of_unity,
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


@given(points)
def test_eq_index_is_a_product_of_coordinates_and_sums_to_one(point: list[int]) -> None:
    corners = range(1 << len(point))
    for index in corners:
        expected = 1
        for k, x in enumerate(point):
            expected *= x if index >> k & 1 else 1 - x
        assert eq_index(index, point) == expected % MODULUS
    assert sum(eq_index(index, point) for index in corners) % MODULUS == 1


@given(scalars, st.integers(0, 70))
def test_a_geometric_series_is_the_sum_of_the_powers(ratio: int, count: int) -> None:
    assert geometric(ratio, count) % MODULUS == sum(powers(ratio, count)) % MODULUS
    assert geometric(1, count) == count


@given(scalars, st.integers(0, 1 << 70))
def test_a_power_is_that_of_integers(base: int, exponent: int) -> None:
    assert power(base, exponent) % MODULUS == pow(base, exponent, MODULUS)


@given(st.lists(scalars, max_size=9))
def test_inverses_are_those_of_each(values: list[int]) -> None:
    if 0 in values:
        with pytest.raises(ZeroDivisionError):
            inverses(values)
    else:
        assert inverses(values) == [inverse(v) for v in values]


@pytest.mark.parametrize("bits", [0, 1, 5, 13, 32])
def test_a_root_of_unity_has_its_order_and_no_smaller_one(bits: int) -> None:
    root = root_of_unity(1 << bits)
    assert pow(root, 1 << bits, MODULUS) == 1
    assert bits == 0 or pow(root, 1 << bits - 1, MODULUS) == MODULUS - 1


@given(scalars, st.integers(0, 9))
def test_squares_are_powers_whose_products_are_all_powers(base: int, count: int) -> None:
    """What Kronecker's substitution needs: every product of coordinates is a power of its own."""
    point = squares(base, count)
    assert point == [pow(base, 1 << k, MODULUS) for k in range(count)]


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

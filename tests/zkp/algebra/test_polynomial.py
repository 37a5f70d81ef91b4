"""Products of polynomials: against the definition."""

from hypothesis import given
from hypothesis import strategies as st

from zkp.algebra.field import MODULUS
from zkp.algebra.polynomial import sum_of_products
from zkp.algebra.vector import Vector

scalars = st.integers(0, MODULUS - 1)
polynomials = st.lists(scalars, min_size=1, max_size=8)


@given(st.lists(st.tuples(polynomials, polynomials), min_size=1, max_size=4))
def test_a_sum_of_products_has_the_coefficients_of_the_definition(pairs: list[tuple[list[int], list[int]]]) -> None:
    expected = [0] * 16
    for left, right in pairs:
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                expected[i + j] += a * b
    made = sum_of_products([(Vector.from_ints(a), Vector.from_ints(b)) for a, b in pairs], 8)
    assert made.to_ints() == [v % MODULUS for v in expected]

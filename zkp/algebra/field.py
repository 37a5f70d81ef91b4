"""The scalar field of BLS12-381 in plain Python integers.

Everything that is proven is an equation between integers modulo MODULUS. Vectors of such integers live in
`zkp.algebra.vector` (compiled) with `zkp.algebra.vector_plain` as its readable twin.
"""

from collections.abc import Sequence
from functools import cache

MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
SCALAR_BYTES = 32


def inverse(value: int) -> int:
    """Return value^-1 mod MODULUS; raises ZeroDivisionError for zero."""
    try:
        return pow(value, -1, MODULUS)
    except ValueError as error:
        raise ZeroDivisionError("zero has no inverse in the scalar field") from error


def powers(base: int, count: int) -> list[int]:
    """Return [1, base, base^2, ...], count values mod MODULUS."""
    out = [1] * count
    for k in range(1, count):
        out[k] = out[k - 1] * base % MODULUS
    return out


def squares(base: int, count: int) -> list[int]:
    """Return [base, base^2, base^4, base^8, ...], count values mod MODULUS.

    As a point for multilinear polynomials it needs one challenge only (Kronecker's substitution): monomials become
    different powers of the base, so that a polynomial in `count` variables vanishes for fewer than 2^count bases.
    """
    out, value = [], base % MODULUS
    for _ in range(count):
        out.append(value)
        value = value * value % MODULUS
    return out


def signed(value: int) -> int:
    """Read a field element as the integer of smallest absolute value."""
    return value if value <= MODULUS // 2 else value - MODULUS


def eq(point: Sequence[int], other: Sequence[int]) -> int:
    """Multilinear extension of equality: prod_k (a_k b_k + (1 - a_k)(1 - b_k))."""
    out = 1
    for a, b in zip(point, other, strict=True):
        out = out * (1 - a - b + 2 * a * b) % MODULUS
    return out


def eq_index(index: int, point: Sequence[int]) -> int:
    """eq of the bits of `index` (bit k beside point[k]) and `point`."""
    out = 1
    for k, x in enumerate(point):
        out = out * (x if index >> k & 1 else 1 - x) % MODULUS
    return out


def eq_values(point: Sequence[int]) -> list[int]:
    """eq_index of every index below 2^len(point)."""
    out = [1]
    for x in point:
        high = [v * x % MODULUS for v in out]
        out = [v - h for v, h in zip(out, high, strict=True)] + high
    return out


def prefix_sum(count: int, zeros: Sequence[int], ones: Sequence[int]) -> int:
    """Sum over the indices below `count` of prod_k (ones[k] if bit k of the index else zeros[k])."""
    whole = [1]  # over all values of the bits below k
    for zero, one in zip(zeros, ones, strict=True):
        whole.append(whole[-1] * (zero + one) % MODULUS)
    if count == 1 << len(zeros):
        return whole[-1]
    total, path = 0, 1
    for k in reversed(range(len(zeros))):
        if count >> k & 1:
            total += path * zeros[k] % MODULUS * whole[k]
            path = path * ones[k] % MODULUS
        else:
            path = path * zeros[k] % MODULUS
    return total % MODULUS


@cache
def _lagrange_denominators(count: int) -> list[int]:
    """1 / prod_{j != i} (i - j), for the places 0 .. count - 1."""
    out = []
    for i in range(count):
        product = 1
        for j in range(count):
            product = product * (i - j if i != j else 1) % MODULUS
        out.append(inverse(product))
    return out


def interpolate(values: Sequence[int], at: int) -> int:
    """Value at `at` of the polynomial of degree < len(values) that takes values[k] at k (Lagrange)."""
    below = [1]  # products of (at - j) over j < i
    for j in range(len(values) - 1):
        below.append(below[-1] * (at - j) % MODULUS)
    total, above = 0, 1
    for i in reversed(range(len(values))):
        total += values[i] * below[i] % MODULUS * above % MODULUS * _lagrange_denominators(len(values))[i]
        above = above * (at - i) % MODULUS
    return total % MODULUS

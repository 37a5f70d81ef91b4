"""The scalar field of BLS12-381 in plain Python integers.

Everything that is proven is an equation between integers modulo MODULUS. Vectors of such integers live in
`zkp.vector` (compiled) with `zkp.vector_plain` as its readable twin.
"""

from collections.abc import Sequence

MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
SCALAR_BYTES = 32


def inverse(value: int) -> int:
    """Return value^-1 mod MODULUS; raises ZeroDivisionError for zero."""
    if value % MODULUS == 0:
        raise ZeroDivisionError("zero has no inverse in the scalar field")
    return pow(value, -1, MODULUS)


def powers(base: int, count: int) -> list[int]:
    """Return [1, base, base^2, ...], count values mod MODULUS."""
    out = [1] * count
    for k in range(1, count):
        out[k] = out[k - 1] * base % MODULUS
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


def interpolate(values: Sequence[int], at: int) -> int:
    """Value at `at` of the polynomial of degree < len(values) that takes values[k] at k (Lagrange)."""
    total = 0
    for i, y in enumerate(values):
        numerator, denominator = 1, 1
        for j in range(len(values)):
            if j != i:
                numerator = numerator * (at - j) % MODULUS
                denominator = denominator * (i - j) % MODULUS
        total += y * numerator * pow(denominator, -1, MODULUS)
    return total % MODULUS

"""The scalar field of BLS12-381 in plain Python integers.

Everything that is proven is an equation between integers modulo MODULUS. Vectors of such integers live in
`zkp.algebra.vector` (compiled) with `zkp.algebra.vector_plain` as its readable twin.
"""

from collections.abc import Sequence

MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
SCALAR_BYTES = 32


def inverse(value: int) -> int:
    """Return value^-1 mod MODULUS; raises ZeroDivisionError for zero."""
    try:
        return pow(value, -1, MODULUS)
    except ValueError as error:
        raise ZeroDivisionError("zero has no inverse in the scalar field") from error


def inverses(values: Sequence[int]) -> list[int]:
    """The inverse of each value, by one inversion (Montgomery 1987). Raises ZeroDivisionError for a zero."""
    before = [1]
    for v in values:
        before.append(before[-1] * v % MODULUS)
    back, out = inverse(before[-1]), []
    for v, product in zip(reversed(values), reversed(before[:-1]), strict=True):
        out.append(back * product % MODULUS)
        back = back * v % MODULUS
    return out[::-1]


def geometric(ratio: int, count: int) -> int:
    """1 + ratio + ratio^2 + ..., count terms, in a number of products that grows with log(count)."""
    if count == 0:
        return 0
    total, power = 1, ratio  # of the first terms, as many as the bits read so far say; the power is the next term
    for bit in bin(count)[3:]:
        total, power = total * (1 + power) % MODULUS, power * power % MODULUS
        if bit == "1":
            total, power = (total + power) % MODULUS, power * ratio % MODULUS
    return total


def power(base: int, exponent: int) -> int:
    """base^exponent by squaring; the exponent is not negative."""
    out = 1
    for bit in bin(exponent)[2:]:
        out = out * out % MODULUS
        if bit == "1":
            out = out * base % MODULUS
    return out


def powers(base: int, count: int) -> list[int]:
    """Return [1, base, base^2, ...], count values mod MODULUS."""
    out = [1] * count
    for k in range(1, count):
        out[k] = out[k - 1] * base % MODULUS
    return out


def root_of_unity(order: int) -> int:
    """A primitive root of unity; the order is a power of two, 2^32 at most. 7 generates the field's units."""
    return pow(7, (MODULUS - 1) // order, MODULUS)


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


def eq_index(index: int, point: Sequence[int]) -> int:
    """eq of the bits of `index` (bit k beside point[k]) and `point`."""
    out = 1
    for k, x in enumerate(point):
        out = out * (x if index >> k & 1 else 1 - x) % MODULUS
    return out


def eq_range(first: int, count: int, point: Sequence[int]) -> list[int]:
    """eq_index of the indices first, first + 1, ..., by halves that share their products."""

    def below(start: int, size: int, bits: int, scale: int) -> list[int]:
        if start >= first + count or start + size <= first:
            return []
        if size == 1:
            return [scale]
        half, high = size // 2, scale * point[bits - 1] % MODULUS
        return below(start, half, bits - 1, scale - high) + below(start + half, half, bits - 1, high)

    return below(0, 1 << len(point), len(point), 1)


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

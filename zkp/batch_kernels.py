"""Compiled loops over many proofs at a time: hashing, reading scalars, field arithmetic, sums over lookup tables.

Every array has an axis for the proofs ("lanes"); they all take the same steps. Field elements as in `zkp.kernels`.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
import numpy as np
from numba import njit

from zkp.field import MODULUS
from zkp.kernels import (
    _ZERO,
    ONE,
    P0,
    P1,
    P2,
    P3,
    RADIX_SQUARED,
    _add,
    _compiled,
    _mul,
    _sub,
    limbs,
    multiples,
    subtract_gathered,
    sum_fractions,
)

ADD, SUBTRACT, MULTIPLY, INVERT = range(4)
"""Operations of a program."""

_RATE = 136  # bytes that Keccak-256 takes at a time


def _round_constants() -> list[int]:
    """FIPS 202, algorithm 5: bits of a linear feedback shift register."""
    out, register = [], 1
    for _ in range(24):
        constant = 0
        for k in range(7):
            if register & 1:
                constant |= 1 << ((1 << k) - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        out.append(constant)
    return out


_ROUNDS = np.array(_round_constants(), dtype=np.uint64)
_EXPONENT = np.array(limbs(MODULUS - 2), dtype=np.uint64)


@njit(inline="always")
def _turn(v, left):  # type: ignore[no-untyped-def]
    """The word rotated to the left, by 1 to 63 bits."""
    return v << np.uint64(left) | v >> np.uint64(64 - left)


@_compiled
def _permute(s):  # type: ignore[no-untyped-def]
    """Keccak-f[1600] in place, s [25] (FIPS 202): rows a to e of five words, rotations and places written out."""
    a0, a1, a2, a3, a4 = s[0], s[1], s[2], s[3], s[4]
    b0, b1, b2, b3, b4 = s[5], s[6], s[7], s[8], s[9]
    c0, c1, c2, c3, c4 = s[10], s[11], s[12], s[13], s[14]
    d0, d1, d2, d3, d4 = s[15], s[16], s[17], s[18], s[19]
    e0, e1, e2, e3, e4 = s[20], s[21], s[22], s[23], s[24]
    for n in range(24):
        u0 = a0 ^ b0 ^ c0 ^ d0 ^ e0
        u1 = a1 ^ b1 ^ c1 ^ d1 ^ e1
        u2 = a2 ^ b2 ^ c2 ^ d2 ^ e2
        u3 = a3 ^ b3 ^ c3 ^ d3 ^ e3
        u4 = a4 ^ b4 ^ c4 ^ d4 ^ e4
        v0 = u4 ^ _turn(u1, 1)
        v1 = u0 ^ _turn(u2, 1)
        v2 = u1 ^ _turn(u3, 1)
        v3 = u2 ^ _turn(u4, 1)
        v4 = u3 ^ _turn(u0, 1)
        k0 = a0 ^ v0
        k1 = _turn(b1 ^ v1, 44)
        k2 = _turn(c2 ^ v2, 43)
        k3 = _turn(d3 ^ v3, 21)
        k4 = _turn(e4 ^ v4, 14)
        l0 = _turn(a3 ^ v3, 28)
        l1 = _turn(b4 ^ v4, 20)
        l2 = _turn(c0 ^ v0, 3)
        l3 = _turn(d1 ^ v1, 45)
        l4 = _turn(e2 ^ v2, 61)
        m0 = _turn(a1 ^ v1, 1)
        m1 = _turn(b2 ^ v2, 6)
        m2 = _turn(c3 ^ v3, 25)
        m3 = _turn(d4 ^ v4, 8)
        m4 = _turn(e0 ^ v0, 18)
        n0 = _turn(a4 ^ v4, 27)
        n1 = _turn(b0 ^ v0, 36)
        n2 = _turn(c1 ^ v1, 10)
        n3 = _turn(d2 ^ v2, 15)
        n4 = _turn(e3 ^ v3, 56)
        o0 = _turn(a2 ^ v2, 62)
        o1 = _turn(b3 ^ v3, 55)
        o2 = _turn(c4 ^ v4, 39)
        o3 = _turn(d0 ^ v0, 41)
        o4 = _turn(e1 ^ v1, 2)
        a0 = k0 ^ (~k1 & k2) ^ _ROUNDS[n]
        a1 = k1 ^ (~k2 & k3)
        a2 = k2 ^ (~k3 & k4)
        a3 = k3 ^ (~k4 & k0)
        a4 = k4 ^ (~k0 & k1)
        b0 = l0 ^ (~l1 & l2)
        b1 = l1 ^ (~l2 & l3)
        b2 = l2 ^ (~l3 & l4)
        b3 = l3 ^ (~l4 & l0)
        b4 = l4 ^ (~l0 & l1)
        c0 = m0 ^ (~m1 & m2)
        c1 = m1 ^ (~m2 & m3)
        c2 = m2 ^ (~m3 & m4)
        c3 = m3 ^ (~m4 & m0)
        c4 = m4 ^ (~m0 & m1)
        d0 = n0 ^ (~n1 & n2)
        d1 = n1 ^ (~n2 & n3)
        d2 = n2 ^ (~n3 & n4)
        d3 = n3 ^ (~n4 & n0)
        d4 = n4 ^ (~n0 & n1)
        e0 = o0 ^ (~o1 & o2)
        e1 = o1 ^ (~o2 & o3)
        e2 = o2 ^ (~o3 & o4)
        e3 = o3 ^ (~o4 & o0)
        e4 = o4 ^ (~o0 & o1)
    s[0], s[1], s[2], s[3], s[4] = a0, a1, a2, a3, a4
    s[5], s[6], s[7], s[8], s[9] = b0, b1, b2, b3, b4
    s[10], s[11], s[12], s[13], s[14] = c0, c1, c2, c3, c4
    s[15], s[16], s[17], s[18], s[19] = d0, d1, d2, d3, d4
    s[20], s[21], s[22], s[23], s[24] = e0, e1, e2, e3, e4


@_compiled
def keccak(message, size, out):  # type: ignore[no-untyped-def]
    """Keccak-256 of the message's first `size` bytes, to out [32] uint8; behind them is room for a block of padding."""
    padded = (size // _RATE + 1) * _RATE
    message[size:padded] = 0
    message[size] = 1
    message[padded - 1] |= np.uint8(0x80)
    words = message[:padded].view(np.uint64)
    s = np.zeros(25, dtype=np.uint64)
    for first in range(0, padded // 8, _RATE // 8):
        for k in range(_RATE // 8):
            s[k] ^= words[first + k]
        _permute(s)
    out.view(np.uint64)[:] = s[:4]


@_compiled
def hash_chains(text, steps, states, out):  # type: ignore[no-untyped-def]
    """The challenges of every lane, out [steps, lanes, 4], Montgomery form.

    text [lanes, bytes] uint8 (changed where seeds stand); states [chains, lanes, 32] uint8 (changed);
    steps as in `zkp.recording.Hashes`.
    """
    lanes = text.shape[0]
    drawn = np.empty((steps.shape[0], lanes, 32), dtype=np.uint8)  # canonical, big-endian
    message = np.empty(32 + text.shape[1] + _RATE, dtype=np.uint8)
    for n in range(steps.shape[0]):
        chain, first, stop, seed, place = steps[n]
        if seed >= 0:
            text[:, place : place + 32] = drawn[seed]
        size = 32 + stop - first
        for k in range(lanes):
            message[:32] = states[chain, k]
            message[32:size] = text[k, first:stop]
            keccak(message, size, states[chain, k])
            a, b, c, d = _big_endian(states[chain, k])
            while not _is_canonical(a, b, c, d):
                a, b, c, d = _less_modulus(a, b, c, d)
            _put_big_endian(drawn[n, k], a, b, c, d)
            out[n, k, 0], out[n, k, 1], out[n, k, 2], out[n, k, 3] = _to_montgomery(a, b, c, d)


@njit(inline="always")
def _put_big_endian(data, a, b, c, d):  # type: ignore[no-untyped-def]
    """Limbs as 32 bytes."""
    for k in range(8):
        shift, byte = np.uint64(8 * k), np.uint64(0xFF)
        data[7 - k], data[15 - k] = d >> shift & byte, c >> shift & byte
        data[23 - k], data[31 - k] = b >> shift & byte, a >> shift & byte


@njit(inline="always")
def _big_endian(data):  # type: ignore[no-untyped-def]
    """The limbs of 32 bytes."""
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    for k in range(8):
        shift = np.uint64(8)
        d = d << shift | np.uint64(data[k])
        c = c << shift | np.uint64(data[8 + k])
        b = b << shift | np.uint64(data[16 + k])
        a = a << shift | np.uint64(data[24 + k])
    return a, b, c, d


@njit(inline="always")
def _is_canonical(a, b, c, d):  # type: ignore[no-untyped-def]
    """Whether the limbs are below the modulus."""
    if d != P3:
        return d < P3
    if c != P2:
        return c < P2
    if b != P1:
        return b < P1
    return a < P0


@njit(inline="always")
def _less_modulus(a, b, c, d):  # type: ignore[no-untyped-def]
    """The limbs minus the modulus, which they reach."""
    e = a - P0
    borrow = np.uint64(a < P0)
    f = b - P1 - borrow
    borrow = np.uint64((b < P1) | ((b == P1) & (borrow == 1)))
    g = c - P2 - borrow
    borrow = np.uint64((c < P2) | ((c == P2) & (borrow == 1)))
    return e, f, g, d - P3 - borrow


@njit(inline="always")
def _to_montgomery(a, b, c, d):  # type: ignore[no-untyped-def]
    return _mul(a, b, c, d, RADIX_SQUARED[0], RADIX_SQUARED[1], RADIX_SQUARED[2], RADIX_SQUARED[3])


@_compiled
def read_scalars(data, places, out, failed):  # type: ignore[no-untyped-def]
    """Big-endian scalars of 32 bytes at places[i] of data [lanes, bytes], to out[i, lane]; failed[lane] is set to 1
    where one is not below the modulus."""
    for i in range(places.shape[0]):
        first = places[i]
        for k in range(data.shape[0]):
            a, b, c, d = _big_endian(data[k, first : first + 32])
            if not _is_canonical(a, b, c, d):
                failed[k] = 1
            out[i, k, 0], out[i, k, 1], out[i, k, 2], out[i, k, 3] = _to_montgomery(a, b, c, d)


@_compiled
def sum_table(scales, ranges, places, points, numerators, denominators):  # type: ignore[no-untyped-def]
    """sum_i eq(i, point) / (alpha - entry_i) of every lane, as numerators and denominators [lanes, 4].

    scales [lanes, 1 + fields, 4]: alpha, and what an entry's fields are multiplied with; ranges [fields]: what each
    field stays below; places [fields, n]: where an entry's multiples stand among all; points [lanes, variables, 4].
    """
    multiple = np.empty((ranges.sum(), 4), dtype=np.uint64)
    row = np.empty((1, 4), dtype=np.uint64)
    differences = np.empty((places.shape[1], 4), dtype=np.uint64)
    for k in range(scales.shape[0]):
        first = 0
        for f in range(ranges.shape[0]):
            row[0] = scales[k, 1 + f]
            multiples(row, multiple[first : first + ranges[f]])
            first += ranges[f]
        row[0] = scales[k, 0]
        subtract_gathered(row, multiple, places, differences)
        n, d = sum_fractions(differences, points[k])
        numerators[k], denominators[k] = n[0], d[0]


@_compiled
def run(code, registers, failed):  # type: ignore[no-untyped-def]
    """A program's operations on registers [n, lanes, 4]; failed[lane] is set to 1 where zero is to be inverted."""
    r = registers
    lanes = r.shape[1]
    for n in range(code.shape[0]):
        operation, i, j, to = code[n]
        if operation == MULTIPLY:
            for k in range(lanes):
                a, b, c, d = _mul(
                    r[i, k, 0], r[i, k, 1], r[i, k, 2], r[i, k, 3], r[j, k, 0], r[j, k, 1], r[j, k, 2], r[j, k, 3]
                )
                r[to, k, 0], r[to, k, 1], r[to, k, 2], r[to, k, 3] = a, b, c, d
        elif operation == ADD:
            for k in range(lanes):
                a, b, c, d = _add(
                    r[i, k, 0], r[i, k, 1], r[i, k, 2], r[i, k, 3], r[j, k, 0], r[j, k, 1], r[j, k, 2], r[j, k, 3]
                )
                r[to, k, 0], r[to, k, 1], r[to, k, 2], r[to, k, 3] = a, b, c, d
        elif operation == SUBTRACT:
            for k in range(lanes):
                a, b, c, d = _sub(
                    r[i, k, 0], r[i, k, 1], r[i, k, 2], r[i, k, 3], r[j, k, 0], r[j, k, 1], r[j, k, 2], r[j, k, 3]
                )
                r[to, k, 0], r[to, k, 1], r[to, k, 2], r[to, k, 3] = a, b, c, d
        else:
            _invert(r[i], r[to], failed)


@_compiled
def _invert(x, out, failed):  # type: ignore[no-untyped-def]
    """1 / x for every lane, by one inversion (Montgomery 1987); zero for zero, whose lane has failed."""
    a, b, c, d = ONE[0], ONE[1], ONE[2], ONE[3]
    for k in range(x.shape[0]):
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = a, b, c, d  # the product of those before
        if x[k].any():
            a, b, c, d = _mul(a, b, c, d, x[k, 0], x[k, 1], x[k, 2], x[k, 3])
        else:
            failed[k] = 1
    e, f, g, h = ONE[0], ONE[1], ONE[2], ONE[3]
    for bit in range(254, -1, -1):  # the power r - 2
        e, f, g, h = _mul(e, f, g, h, e, f, g, h)
        if _EXPONENT[bit // 64] >> np.uint64(bit % 64) & np.uint64(1):
            e, f, g, h = _mul(e, f, g, h, a, b, c, d)
    for k in range(x.shape[0] - 1, -1, -1):
        if x[k].any():
            a, b, c, d = _mul(e, f, g, h, out[k, 0], out[k, 1], out[k, 2], out[k, 3])
            e, f, g, h = _mul(e, f, g, h, x[k, 0], x[k, 1], x[k, 2], x[k, 3])
            out[k, 0], out[k, 1], out[k, 2], out[k, 3] = a, b, c, d
        else:
            out[k] = 0

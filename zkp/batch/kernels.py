"""Compiled loops over many proofs at a time: transcripts, reading scalars, field arithmetic, sums over lookup tables.

Every array has an axis for the proofs ("lanes"); they all take the same steps. Field elements as in
`zkp.algebra.kernels`.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
import numpy as np
from numba import njit

from zkp.algebra.field import MODULUS
from zkp.algebra.kernels import (
    _ZERO,
    ONE,
    P0,
    P1,
    P2,
    P3,
    RADIX_SQUARED,
    _add,
    _mul,
    _reduce,
    _sub,
    compiled,
    limbs,
    sum_fractions,
    walk,
)
from zkp.batch.keccak import BLOCK, keccak

ADD, SUBTRACT, MULTIPLY, INVERT = range(4)
"""Operations of a program."""

_EXPONENT = np.array(limbs(MODULUS - 2), dtype=np.uint64)


@compiled
def hash_chain(text, stops, states, out):  # type: ignore[no-untyped-def]
    """The challenges of every lane, out [steps, lanes, 4], Montgomery form.

    text [lanes, bytes] uint8; states [lanes, 32] uint8 (changed); stops as in `zkp.batch.recording.Hashes`.
    """
    message = np.empty(32 + text.shape[1] + BLOCK, dtype=np.uint8)
    first = 0
    for n in range(stops.shape[0]):
        stop = stops[n]
        size = 32 + stop - first
        for k in range(text.shape[0]):
            message[:32] = states[k]
            message[32:size] = text[k, first:stop]
            keccak(message, size, states[k])
            a, b, c, d = _big_endian(states[k])
            while not _is_canonical(a, b, c, d):
                a, b, c, d = _reduce(a, b, c, d)
            out[n, k, 0], out[n, k, 1], out[n, k, 2], out[n, k, 3] = _to_montgomery(a, b, c, d)
        first = stop


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
def _to_montgomery(a, b, c, d):  # type: ignore[no-untyped-def]
    return _mul(a, b, c, d, RADIX_SQUARED[0], RADIX_SQUARED[1], RADIX_SQUARED[2], RADIX_SQUARED[3])


@compiled
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


@compiled
def sum_table(starts, kinds, pattern, points, numerators, denominators):  # type: ignore[no-untyped-def]
    """sum_i rho^i / d_i of every lane, as numerators and denominators [lanes, 4].

    starts [lanes, 4]: d_0; kinds [lanes, K, 4] and pattern [n]: how much d falls from one entry to the next (see
    `zkp.argument.tables.Table.steps`); points [lanes, 4]: rho.
    """
    differences = np.empty((pattern.shape[0], 4), dtype=np.uint64)
    for k in range(starts.shape[0]):
        walk(starts[k : k + 1], kinds[k], pattern, differences)
        n, d = sum_fractions(differences, points[k : k + 1])
        numerators[k], denominators[k] = n[0], d[0]


@compiled
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


@compiled
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

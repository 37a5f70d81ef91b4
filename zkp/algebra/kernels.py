"""Compiled loops over arrays of scalar-field elements.

An element is four little-endian uint64 limbs in Montgomery form (Montgomery 1985); the product is the "no-carry"
CIOS form that fits moduli whose top bit is free (Acar 1996; Botrel et al., gnark). The 64x64 -> 128 bit product comes
from LLVM's i128. Machine code is cached on disk by numba, so a second process starts warm.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from zkp.algebra.field import MODULUS

_MASK = (1 << 64) - 1


def limbs(value: int) -> tuple[int, int, int, int]:
    """The four 64-bit limbs of a value below 2^256, least first."""
    return value & _MASK, value >> 64 & _MASK, value >> 128 & _MASK, value >> 192


P0, P1, P2, P3 = (np.uint64(x) for x in limbs(MODULUS))
N0 = np.uint64(-pow(MODULUS, -1, 1 << 64) % (1 << 64))
RADIX = (1 << 256) % MODULUS  # one, in Montgomery form
ONE = np.array(limbs(RADIX), dtype=np.uint64)
RADIX_SQUARED = np.array(limbs(RADIX * RADIX % MODULUS), dtype=np.uint64)
_ZERO = np.uint64(0)


def _mac_typing(_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """a * b + c + d as (low, high); it cannot exceed 128 bits."""
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64, types.uint64, types.uint64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        x, y, z, w = (builder.zext(v, wide) for v in args)
        total = builder.add(builder.add(builder.mul(x, y), z), w)
        low = builder.trunc(total, ir.IntType(64))
        high = builder.trunc(builder.lshr(total, ir.Constant(wide, 64)), ir.IntType(64))
        return context.make_tuple(builder, sig.return_type, (low, high))

    return signature, codegen


_mac: Any = intrinsic(_mac_typing)


@njit(inline="always")
def _reduce(t0, t1, t2, t3):  # type: ignore[no-untyped-def]
    """Subtract the modulus once if the value reaches it."""
    u0 = t0 - P0
    borrow = np.uint64(t0 < P0)
    u1 = t1 - P1 - borrow
    borrow = np.uint64((t1 < P1) | ((t1 == P1) & (borrow == 1)))
    u2 = t2 - P2 - borrow
    borrow = np.uint64((t2 < P2) | ((t2 == P2) & (borrow == 1)))
    u3 = t3 - P3 - borrow
    borrow = np.uint64((t3 < P3) | ((t3 == P3) & (borrow == 1)))
    if borrow == 1:
        return t0, t1, t2, t3
    return u0, u1, u2, u3


@njit(inline="always")
def _row(x0, x1, x2, x3, y, t0, t1, t2, t3):  # type: ignore[no-untyped-def]
    """One step of the multiplication: add x * y, then divide by 2^64 modulo the modulus."""
    t0, a = _mac(x0, y, t0, _ZERO)
    m = t0 * N0
    _, c = _mac(m, P0, t0, _ZERO)
    t1, a = _mac(x1, y, t1, a)
    t0, c = _mac(m, P1, t1, c)
    t2, a = _mac(x2, y, t2, a)
    t1, c = _mac(m, P2, t2, c)
    t3, a = _mac(x3, y, t3, a)
    t2, c = _mac(m, P3, t3, c)
    return t0, t1, t2, c + a


@njit(inline="always")
def _mul(x0, x1, x2, x3, y0, y1, y2, y3):  # type: ignore[no-untyped-def]
    t0, t1, t2, t3 = _row(x0, x1, x2, x3, y0, _ZERO, _ZERO, _ZERO, _ZERO)
    t0, t1, t2, t3 = _row(x0, x1, x2, x3, y1, t0, t1, t2, t3)
    t0, t1, t2, t3 = _row(x0, x1, x2, x3, y2, t0, t1, t2, t3)
    t0, t1, t2, t3 = _row(x0, x1, x2, x3, y3, t0, t1, t2, t3)
    return _reduce(t0, t1, t2, t3)


@njit(inline="always")
def _add(x0, x1, x2, x3, y0, y1, y2, y3):  # type: ignore[no-untyped-def]
    one = np.uint64(1)
    t0, c = _mac(x0, one, y0, _ZERO)
    t1, c = _mac(x1, one, y1, c)
    t2, c = _mac(x2, one, y2, c)
    t3, c = _mac(x3, one, y3, c)
    return _reduce(t0, t1, t2, t3)


@njit(inline="always")
def _sub(x0, x1, x2, x3, y0, y1, y2, y3):  # type: ignore[no-untyped-def]
    t0 = x0 - y0
    b = np.uint64(x0 < y0)
    t1 = x1 - y1 - b
    b = np.uint64((x1 < y1) | ((x1 == y1) & (b == 1)))
    t2 = x2 - y2 - b
    b = np.uint64((x2 < y2) | ((x2 == y2) & (b == 1)))
    t3 = x3 - y3 - b
    b = np.uint64((x3 < y3) | ((x3 == y3) & (b == 1)))
    if b == 1:
        one = np.uint64(1)
        t0, c = _mac(t0, one, P0, _ZERO)
        t1, c = _mac(t1, one, P1, c)
        t2, c = _mac(t2, one, P2, c)
        t3, c = _mac(t3, one, P3, c)
    return t0, t1, t2, t3


compiled = njit(cache=True, nogil=True)


@compiled
def multiply(x, y, out):  # type: ignore[no-untyped-def]
    """out[i] = x[i] * y[i]; y of one row is broadcast."""
    step = 0 if y.shape[0] == 1 else 1
    for i in range(x.shape[0]):
        j = i * step
        a, b, c, d = _mul(x[i, 0], x[i, 1], x[i, 2], x[i, 3], y[j, 0], y[j, 1], y[j, 2], y[j, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def add(x, y, out):  # type: ignore[no-untyped-def]
    """out[i] = x[i] + y[i]; y of one row is broadcast."""
    step = 0 if y.shape[0] == 1 else 1
    for i in range(x.shape[0]):
        j = i * step
        a, b, c, d = _add(x[i, 0], x[i, 1], x[i, 2], x[i, 3], y[j, 0], y[j, 1], y[j, 2], y[j, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def subtract(x, y, out):  # type: ignore[no-untyped-def]
    """out[i] = x[i] - y[i]; y of one row is broadcast."""
    step = 0 if y.shape[0] == 1 else 1
    for i in range(x.shape[0]):
        j = i * step
        a, b, c, d = _sub(x[i, 0], x[i, 1], x[i, 2], x[i, 3], y[j, 0], y[j, 1], y[j, 2], y[j, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def fold(low, high, r, out):  # type: ignore[no-untyped-def]
    """out[i] = low[i] + r (high[i] - low[i])."""
    r0, r1, r2, r3 = r[0, 0], r[0, 1], r[0, 2], r[0, 3]
    for i in range(low.shape[0]):
        l0, l1, l2, l3 = low[i, 0], low[i, 1], low[i, 2], low[i, 3]
        a, b, c, d = _sub(high[i, 0], high[i, 1], high[i, 2], high[i, 3], l0, l1, l2, l3)
        a, b, c, d = _mul(a, b, c, d, r0, r1, r2, r3)
        a, b, c, d = _add(a, b, c, d, l0, l1, l2, l3)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def inner(x, y):  # type: ignore[no-untyped-def]
    """sum_i x[i] * y[i], in Montgomery form, shape [1, 4]."""
    s0, s1, s2, s3 = _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(x.shape[0]):
        a, b, c, d = _mul(x[i, 0], x[i, 1], x[i, 2], x[i, 3], y[i, 0], y[i, 1], y[i, 2], y[i, 3])
        s0, s1, s2, s3 = _add(s0, s1, s2, s3, a, b, c, d)
    out = np.empty((1, 4), dtype=np.uint64)
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = s0, s1, s2, s3
    return out


@compiled
def combine(weights, rows, out):  # type: ignore[no-untyped-def]
    """out[m] += sum_r weights[r] * rows[r, m], for signed 64-bit integers rows [R, M]."""
    scaled = np.empty(4, dtype=np.uint64)
    for r in range(rows.shape[0]):
        w = weights[r]
        scaled[0], scaled[1], scaled[2], scaled[3] = _mul(
            w[0], w[1], w[2], w[3], RADIX_SQUARED[0], RADIX_SQUARED[1], RADIX_SQUARED[2], RADIX_SQUARED[3]
        )  # times an integer that is not in Montgomery form, it gives one that is
        for m in range(rows.shape[1]):
            v = rows[r, m]
            if v == 0:
                continue
            magnitude = np.uint64(v) if v > 0 else np.uint64(-v)
            a, b, c, d = _mul(scaled[0], scaled[1], scaled[2], scaled[3], magnitude, _ZERO, _ZERO, _ZERO)
            if v > 0:
                a, b, c, d = _add(out[m, 0], out[m, 1], out[m, 2], out[m, 3], a, b, c, d)
            else:
                a, b, c, d = _sub(out[m, 0], out[m, 1], out[m, 2], out[m, 3], a, b, c, d)
            out[m, 0], out[m, 1], out[m, 2], out[m, 3] = a, b, c, d


@compiled
def total(x):  # type: ignore[no-untyped-def]
    """sum_i x[i], shape [1, 4]."""
    s0, s1, s2, s3 = _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(x.shape[0]):
        s0, s1, s2, s3 = _add(s0, s1, s2, s3, x[i, 0], x[i, 1], x[i, 2], x[i, 3])
    out = np.empty((1, 4), dtype=np.uint64)
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = s0, s1, s2, s3
    return out


@compiled
def prefix_products(x, out):  # type: ignore[no-untyped-def]
    """out[i] = x[0] ... x[i], for Montgomery's simultaneous inversion."""
    a, b, c, d = ONE[0], ONE[1], ONE[2], ONE[3]
    for i in range(x.shape[0]):
        a, b, c, d = _mul(a, b, c, d, x[i, 0], x[i, 1], x[i, 2], x[i, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def unwind_inverses(x, prefix, last, out):  # type: ignore[no-untyped-def]
    """out[i] = 1 / x[i], from the prefix products and the inverse of the last of them."""
    a, b, c, d = last[0, 0], last[0, 1], last[0, 2], last[0, 3]
    for i in range(x.shape[0] - 1, 0, -1):
        p = prefix[i - 1]
        e, f, g, h = _mul(a, b, c, d, p[0], p[1], p[2], p[3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = e, f, g, h
        a, b, c, d = _mul(a, b, c, d, x[i, 0], x[i, 1], x[i, 2], x[i, 3])
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = a, b, c, d


@compiled
def eq_table(point, out):  # type: ignore[no-untyped-def]
    """out[i] = prod_k (point[k] if bit k of i else 1 - point[k]); out[0] holds the scale on entry."""
    size = 1
    for k in range(point.shape[0]):
        r0, r1, r2, r3 = point[k, 0], point[k, 1], point[k, 2], point[k, 3]
        for i in range(size):
            v0, v1, v2, v3 = out[i, 0], out[i, 1], out[i, 2], out[i, 3]
            a, b, c, d = _mul(v0, v1, v2, v3, r0, r1, r2, r3)
            j = i + size
            out[j, 0], out[j, 1], out[j, 2], out[j, 3] = a, b, c, d
            a, b, c, d = _sub(v0, v1, v2, v3, a, b, c, d)
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d
        size *= 2


@compiled
def horner_quotient(x, at, out):  # type: ignore[no-untyped-def]
    """Synthetic division of sum x[i] X^i by (X - at): the quotient in out, the remainder returned, [1, 4]."""
    n = x.shape[0]
    r0, r1, r2, r3 = at[0, 0], at[0, 1], at[0, 2], at[0, 3]
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    for i in range(n - 1, -1, -1):
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d
        a, b, c, d = _mul(a, b, c, d, r0, r1, r2, r3)
        a, b, c, d = _add(a, b, c, d, x[i, 0], x[i, 1], x[i, 2], x[i, 3])
    rest = np.empty((1, 4), dtype=np.uint64)
    rest[0, 0], rest[0, 1], rest[0, 2], rest[0, 3] = a, b, c, d
    return rest


@compiled
def scatter_add(x, places, out):  # type: ignore[no-untyped-def]
    """out[places[i]] += x[i]."""
    for i in range(x.shape[0]):
        j = places[i]
        a, b, c, d = _add(x[i, 0], x[i, 1], x[i, 2], x[i, 3], out[j, 0], out[j, 1], out[j, 2], out[j, 3])
        out[j, 0], out[j, 1], out[j, 2], out[j, 3] = a, b, c, d


@compiled
def walk(start, steps, pattern, out):  # type: ignore[no-untyped-def]
    """out[0] = start, out[i] = out[i - 1] - steps[pattern[i]]."""
    a, b, c, d = start[0, 0], start[0, 1], start[0, 2], start[0, 3]
    out[0, 0], out[0, 1], out[0, 2], out[0, 3] = a, b, c, d
    for i in range(1, out.shape[0]):
        j = pattern[i]
        a, b, c, d = _sub(a, b, c, d, steps[j, 0], steps[j, 1], steps[j, 2], steps[j, 3])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def sum_fractions(d, x):  # type: ignore[no-untyped-def]
    """sum_i x^i / d[i] as numerator and denominator, each [1, 4]: neighbours are added, again and again, the power of
    x between them squared each time; d is overwritten."""
    count = d.shape[0]
    n = np.empty(((count + 1) // 2, 4), dtype=np.uint64)
    x0, x1, x2, x3 = x[0, 0], x[0, 1], x[0, 2], x[0, 3]
    ones = True
    while count > 1 or ones:
        for i in range(count // 2):
            j, k = 2 * i, 2 * i + 1
            d0, d1, d2, d3 = d[j, 0], d[j, 1], d[j, 2], d[j, 3]
            e0, e1, e2, e3 = d[k, 0], d[k, 1], d[k, 2], d[k, 3]
            if ones:
                a, b, c, e = e0, e1, e2, e3
                f, g, h, m = d0, d1, d2, d3
            else:
                a, b, c, e = _mul(n[j, 0], n[j, 1], n[j, 2], n[j, 3], e0, e1, e2, e3)
                f, g, h, m = _mul(n[k, 0], n[k, 1], n[k, 2], n[k, 3], d0, d1, d2, d3)
            f, g, h, m = _mul(f, g, h, m, x0, x1, x2, x3)
            n[i, 0], n[i, 1], n[i, 2], n[i, 3] = _add(a, b, c, e, f, g, h, m)
            d[i, 0], d[i, 1], d[i, 2], d[i, 3] = _mul(d0, d1, d2, d3, e0, e1, e2, e3)
        if count % 2:  # the last one has no neighbour
            i, j = count // 2, count - 1
            if ones:
                n[i] = ONE
            else:
                n[i] = n[j]
            d[i] = d[j]
        ones = False
        count = (count + 1) // 2
        x0, x1, x2, x3 = _mul(x0, x1, x2, x3, x0, x1, x2, x3)
    return n[:1], d[:1]


@compiled
def transform(a, roots):  # type: ignore[no-untyped-def]
    """Values of a polynomial, in place, at the powers of a root of unity of order n (Cooley and Tukey 1965; Gentleman
    and Sande 1966): a [n, 4] from coefficients, to values whose places have their bits reversed; roots [n / 2, 4]."""
    n = a.shape[0]
    half, step = n // 2, 1
    while half:
        for start in range(0, n, 2 * half):
            for k in range(half):
                i, j, w = start + k, start + k + half, k * step
                u0, u1, u2, u3 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
                v0, v1, v2, v3 = a[j, 0], a[j, 1], a[j, 2], a[j, 3]
                a[i, 0], a[i, 1], a[i, 2], a[i, 3] = _add(u0, u1, u2, u3, v0, v1, v2, v3)
                u0, u1, u2, u3 = _sub(u0, u1, u2, u3, v0, v1, v2, v3)
                u0, u1, u2, u3 = _mul(u0, u1, u2, u3, roots[w, 0], roots[w, 1], roots[w, 2], roots[w, 3])
                a[j, 0], a[j, 1], a[j, 2], a[j, 3] = u0, u1, u2, u3
        half, step = half // 2, step * 2


@compiled
def transform_back(a, roots):  # type: ignore[no-untyped-def]
    """n times what `transform` was given, in place, from what it gives; roots: those of the inverse root."""
    n = a.shape[0]
    half, step = 1, n // 2
    while half < n:
        for start in range(0, n, 2 * half):
            for k in range(half):
                i, j, w = start + k, start + k + half, k * step
                u0, u1, u2, u3 = a[i, 0], a[i, 1], a[i, 2], a[i, 3]
                v0, v1, v2, v3 = _mul(
                    a[j, 0], a[j, 1], a[j, 2], a[j, 3], roots[w, 0], roots[w, 1], roots[w, 2], roots[w, 3]
                )
                a[i, 0], a[i, 1], a[i, 2], a[i, 3] = _add(u0, u1, u2, u3, v0, v1, v2, v3)
                a[j, 0], a[j, 1], a[j, 2], a[j, 3] = _sub(u0, u1, u2, u3, v0, v1, v2, v3)
        half, step = half * 2, step // 2


@compiled
def from_int64(x, out):  # type: ignore[no-untyped-def]
    """Montgomery form of signed 64-bit integers."""
    for i in range(x.shape[0]):
        v = x[i]
        magnitude = np.uint64(v) if v >= 0 else np.uint64(-v)
        a, b, c, d = _mul(
            magnitude, _ZERO, _ZERO, _ZERO,
            RADIX_SQUARED[0], RADIX_SQUARED[1], RADIX_SQUARED[2], RADIX_SQUARED[3],
        )  # fmt: skip
        if v < 0:
            a, b, c, d = _sub(_ZERO, _ZERO, _ZERO, _ZERO, a, b, c, d)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d


@compiled
def from_montgomery(x, out):  # type: ignore[no-untyped-def]
    """Canonical limbs of Montgomery-form elements."""
    one = np.uint64(1)
    for i in range(x.shape[0]):
        a, b, c, d = _mul(x[i, 0], x[i, 1], x[i, 2], x[i, 3], one, _ZERO, _ZERO, _ZERO)
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = a, b, c, d

"""Keccak-256 (Bertoni et al. 2011; the permutation as in FIPS 202) in compiled code, for many transcripts at a time.

`zkp.argument.transcript` hashes with eth-hash, which spends most of its time on the way to its C code; the tests
hold the two to the same answers.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator"
import numpy as np
from numba import njit

from zkp.algebra.kernels import compiled

BLOCK = 136
"""Bytes that are taken at a time."""


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


@njit(inline="always")
def _turn(v, left):  # type: ignore[no-untyped-def]
    """The word rotated to the left, by 1 to 63 bits."""
    return v << np.uint64(left) | v >> np.uint64(64 - left)


@njit(inline="always")
def _row(k0, k1, k2, k3, k4):  # type: ignore[no-untyped-def]
    """The step chi."""
    return k0 ^ (~k1 & k2), k1 ^ (~k2 & k3), k2 ^ (~k3 & k4), k3 ^ (~k4 & k0), k4 ^ (~k0 & k1)


@compiled
def _permute(s):  # type: ignore[no-untyped-def]
    """Keccak-f[1600] of s [25] in place: rows a to e of five words; the steps rho and pi are written out."""
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
        k0, k1, k2, k3, k4 = (
            a0 ^ v0,
            _turn(b1 ^ v1, 44),
            _turn(c2 ^ v2, 43),
            _turn(d3 ^ v3, 21),
            _turn(e4 ^ v4, 14),
        )
        l0, l1, l2, l3, l4 = (
            _turn(a3 ^ v3, 28),
            _turn(b4 ^ v4, 20),
            _turn(c0 ^ v0, 3),
            _turn(d1 ^ v1, 45),
            _turn(e2 ^ v2, 61),
        )
        m0, m1, m2, m3, m4 = (
            _turn(a1 ^ v1, 1),
            _turn(b2 ^ v2, 6),
            _turn(c3 ^ v3, 25),
            _turn(d4 ^ v4, 8),
            _turn(e0 ^ v0, 18),
        )
        n0, n1, n2, n3, n4 = (
            _turn(a4 ^ v4, 27),
            _turn(b0 ^ v0, 36),
            _turn(c1 ^ v1, 10),
            _turn(d2 ^ v2, 15),
            _turn(e3 ^ v3, 56),
        )
        o0, o1, o2, o3, o4 = (
            _turn(a2 ^ v2, 62),
            _turn(b3 ^ v3, 55),
            _turn(c4 ^ v4, 39),
            _turn(d0 ^ v0, 41),
            _turn(e1 ^ v1, 2),
        )
        a0, a1, a2, a3, a4 = _row(k0, k1, k2, k3, k4)
        b0, b1, b2, b3, b4 = _row(l0, l1, l2, l3, l4)
        c0, c1, c2, c3, c4 = _row(m0, m1, m2, m3, m4)
        d0, d1, d2, d3, d4 = _row(n0, n1, n2, n3, n4)
        e0, e1, e2, e3, e4 = _row(o0, o1, o2, o3, o4)
        a0 ^= _ROUNDS[n]
    s[0], s[1], s[2], s[3], s[4] = a0, a1, a2, a3, a4
    s[5], s[6], s[7], s[8], s[9] = b0, b1, b2, b3, b4
    s[10], s[11], s[12], s[13], s[14] = c0, c1, c2, c3, c4
    s[15], s[16], s[17], s[18], s[19] = d0, d1, d2, d3, d4
    s[20], s[21], s[22], s[23], s[24] = e0, e1, e2, e3, e4


@compiled
def keccak(message, size, out):  # type: ignore[no-untyped-def]
    """Of the message's first `size` bytes, to out [32]; both uint8. Behind those bytes is room for a block."""
    padded = (size // BLOCK + 1) * BLOCK
    message[size:padded] = 0
    message[size] = 1
    message[padded - 1] |= np.uint8(0x80)
    words = message[:padded].view(np.uint64)
    s = np.zeros(25, dtype=np.uint64)
    for first in range(0, padded // 8, BLOCK // 8):
        for k in range(BLOCK // 8):
            s[k] ^= words[first + k]
        _permute(s)
    out.view(np.uint64)[:] = s[:4]

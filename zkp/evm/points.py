"""Points as the EVM's precompiles take them (EIP-2537): coordinates in full, 64 bytes each, big-endian."""

from __future__ import annotations

from functools import cache

from py_ecc.bls import point_compression as form
from py_ecc.bls.typing import G2Compressed

from zkp.algebra.curve import FIELD_MODULUS, G1_BYTES
from zkp.errors import MalformedProof

_COORDINATE = 64
_CURVE_B = 4
_SIGN, _X = 1 << 381, (1 << 381) - 1


def ordinate(data: bytes) -> bytes:
    """The 48 bytes of y of a compressed G1 point. Raises MalformedProof where x is of no point of the curve."""
    number = int.from_bytes(data, "big")
    square = (pow(number & _X, 3, FIELD_MODULUS) + _CURVE_B) % FIELD_MODULUS
    y = pow(square, (FIELD_MODULUS + 1) // 4, FIELD_MODULUS)  # the modulus is 3 modulo 4
    if y * y % FIELD_MODULUS != square:
        raise MalformedProof("a G1 point is not on the curve")
    if (y > FIELD_MODULUS // 2) != bool(number & _SIGN):
        y = FIELD_MODULUS - y
    return y.to_bytes(G1_BYTES, "big")


def g1(data: bytes) -> bytes:
    """A compressed G1 point in 128 bytes."""
    x = int.from_bytes(data, "big") & _X
    return x.to_bytes(_COORDINATE, "big") + ordinate(data).rjust(_COORDINATE, b"\0")


@cache  # there are two, the ceremony's, and a root takes 20 ms
def g2(data: bytes, *, negative: bool = False) -> bytes:
    """A compressed G2 point, or its opposite, in 256 bytes."""
    half = len(data) // 2
    numbers = int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")
    x, y, _ = form.decompress_G2(G2Compressed(numbers))
    parts = [*x.coeffs, *(-y if negative else y).coeffs]
    return b"".join(int(part).to_bytes(_COORDINATE, "big") for part in parts)

"""Shamir's secret sharing (CACM 1979) over the field of 2^255 - 19: any `threshold` shares give a secret back.

Flower's sharing works in GF(2^128), in Python, a bit at a time: among 300 homes it takes minutes where integers
modulo a prime take milliseconds. That would be a reason to give each home only a few neighbours, which costs far more
security (see `fl.secagg.aggregator`). The prime is Curve25519's (RFC 7748), so that a secret is an X25519 key, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import lru_cache

PRIME = 2**255 - 19
SHARE_BYTES = 32  # of a secret and of a share of it, little-endian


def random_secret() -> bytes:
    """A secret, uniform below the prime; 32 bytes."""
    return _encoded(secrets.randbelow(PRIME))


def split(secret: bytes, threshold: int, count: int) -> list[bytes]:
    """`count` shares of a secret: the values at 1, 2, ... of a random polynomial of degree `threshold` - 1."""
    coefficients = [_decoded(secret), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    shares = []
    for place in range(1, count + 1):
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * place + coefficient) % PRIME
        shares.append(_encoded(value))
    return shares


def restore(shares: Mapping[int, bytes]) -> bytes:
    """The secret from `threshold` of its shares, by their places from 1. Raises ValueError for what is no share."""
    weights = _weights(tuple(sorted(shares)))
    return _encoded(sum(weight * _decoded(shares[place]) for place, weight in weights) % PRIME)


@lru_cache(maxsize=8)
def _weights(places: tuple[int, ...]) -> list[tuple[int, int]]:
    """What each share counts for in the polynomial's value at 0 (Lagrange); the same for all secrets of a sum."""
    weights = []
    for place in places:
        above = below = 1
        for other in places:
            if other != place:
                above = above * other % PRIME
                below = below * (other - place) % PRIME
        weights.append((place, above * pow(below, -1, PRIME) % PRIME))
    return weights


def _encoded(number: int) -> bytes:
    return number.to_bytes(SHARE_BYTES, "little")


def _decoded(data: bytes) -> int:
    number = int.from_bytes(data, "little")
    if len(data) != SHARE_BYTES or number >= PRIME:
        raise ValueError(f"{len(data)} bytes that are not a number below the prime")
    return number

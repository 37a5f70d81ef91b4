"""What an epoch's seed decides, computed by everybody alike: permutations, and which peer leads.

The seed comes from the chain: each peer commits itself to a secret when it publishes its blocks and reveals it after
all are published, so that nobody knows its neighbours, or the leader, while it can still choose what to publish. The
last one to reveal can withhold its secret and have another seed; that costs its bond.
"""

from __future__ import annotations

import hashlib
from itertools import count
from math import gcd

import numpy as np
from numpy.typing import NDArray

from fl.secagg.rings import Words64
from fl.secagg.session import framed

_DOMAIN = b"wattproof gossip v1"
DRAWS = 8
"""Committees of an epoch, one after the other, until one of them accepts a merge."""
Indices = NDArray[np.int64]


def derive(seed: bytes, *parts: bytes | int) -> bytes:
    """32 bytes that belong to these parts and no others."""
    named = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return hashlib.sha256(framed(_DOMAIN, seed, *named)).digest()


def permutation(seed: bytes, size: int) -> Indices:
    """The numbers below `size` in an order that the seed (32 bytes) decides: sorted by ChaCha20's 64-bit words."""
    return np.argsort(Words64().expand(seed, size), kind="stable").astype(np.int64)


def leader(seed: bytes, rank: int, members: int) -> int:
    """Index of the member that may lead as the `rank`-th, as the registry computes it."""
    return (int.from_bytes(seed, "big") + rank) % members


def committee(seed: bytes, size: int, members: int, draw: int = 0) -> list[int]:
    """Indices of the members that attest to the leader's merge, by their places, as the registry computes it.

    Another `draw` is another committee, for an epoch in whose first one too many are away.
    """
    drawn_by = seed if draw == 0 else hashlib.sha256(seed + draw.to_bytes(32, "big")).digest()
    number = int.from_bytes(drawn_by, "big")
    start, drawn = (number >> 128) % members, (number >> 64) % members
    step = next(drawn + ahead for ahead in count(1) if gcd(drawn + ahead, members) == 1)
    return [(start + place * step) % members for place in range(min(size, members))]

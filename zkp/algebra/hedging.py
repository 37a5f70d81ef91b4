"""Randomness of a prover that a weak or repeating source does not give away.

Fresh scalars are hashed with the secrets and with what is to be proven about them, and the hash is expanded. So two
proofs share no random value unless source, secrets and statement are all the same, and nobody can predict one without
the secrets (hedged Fiat-Shamir: Aranha, Orlandi, Takahashi, Zaverucha, EUROCRYPT 2020; as Merlin's TranscriptRng).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from zkp.algebra.field import MODULUS, SCALAR_BYTES
from zkp.algebra.vector import RandomScalars

_SEEDS = 2
_WIDE = 2 * SCALAR_BYTES  # 512 bits for each scalar: the bias of the reduction is below 2^-256


def hedged(random: RandomScalars, statement: bytes, secrets: Iterable[bytes]) -> RandomScalars:
    """A source of scalars from two fresh ones, the statement and the secrets."""
    parts = [statement, *secrets, *(seed.to_bytes(SCALAR_BYTES, "big") for seed in random(_SEEDS))]
    key = hashlib.sha3_512(b"wattproof hedge")
    for part in parts:
        key.update(len(part).to_bytes(8, "big") + part)
    secret, calls = key.digest(), 0

    def draw(count: int) -> list[int]:
        nonlocal calls
        data = hashlib.shake_256(secret + calls.to_bytes(8, "big")).digest(_WIDE * count)
        calls += 1
        return [int.from_bytes(data[k : k + _WIDE], "big") % MODULUS for k in range(0, len(data), _WIDE)]

    return draw

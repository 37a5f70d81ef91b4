"""A tag beside the numbers of a sum, that fits only if each home's numbers are in it once, unchanged.

Whoever adds ciphertexts can also scale them, blank slots, add a home's twice, or leave out all but one. So each home
i enters, beside its numbers v,

    tag = <k, v> + F(i)    modulo MODULUS,

with k and F drawn from a seed that the homes have and the coordinator has not. Tags add up as the numbers do, so that
the sum over the homes S has the tag <k, sum> + sum of F(i) over S, and nobody without the seed makes any other vector
with the right tag, but by chance of less than 2^-57 (Agrawal and Boneh, "Homomorphic MACs: MAC-based integrity for
network coding", ACNS 2009, with all coefficients 1; each seed serves one sum, so F(i) is a one-time pad). That also
holds for what is made by multiplying ciphertexts: a tag that fits for every k and F is that of the plain sum.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fl.homomorphic.ciphertexts import MODULUS
from fl.secagg.rings import PrimeField
from fl.secagg.session import MaskingRefused, Session, derive

_FIELD = PrimeField(MODULUS)


@dataclass(frozen=True)
class Tags:
    """The tags of one sum. `seed`: 32 bytes, of this sum alone."""

    session: Session
    seed: bytes = field(repr=False)

    def of(self, home: str, values: Sequence[int]) -> int:
        """The tag of what a home enters."""
        return (self._product(values) + self._pad(home)) % MODULUS

    def check(self, homes: Collection[str], values: Sequence[int], tag: int) -> None:
        """Raises MaskingRefused unless `values` are the sum of what these homes have entered."""
        expected = (self._product(values) + sum(self._pad(home) for home in homes)) % MODULUS
        if tag != expected:
            raise MaskingRefused(
                "what was to be decrypted is not the sum of the homes that it was said to be of: the coordinator "
                "made something else of their ciphertexts, or a home has sent a vector with a wrong tag"
            )

    def _product(self, values: Sequence[int]) -> int:
        keys = _FIELD.expand(derive(self.session, b"tag vector", self.seed), len(values))
        return sum(int(key) * int(value) for key, value in zip(keys, values, strict=True)) % MODULUS

    def _pad(self, home: str) -> int:
        return int(_FIELD.expand(derive(self.session, b"tag pad", self.seed, home), 1)[0])

"""`zkp.algebra.vector.Vector` over plain Python integers: slow, and short enough to be believed. The tests hold the
two together.

It says what the compiled kernels must compute, and holds the symbols of a recorded verifier (`zkp.batch.recording`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.field import MODULUS, SCALAR_BYTES, inverse, powers


class PlainVector:
    """n integers modulo r. A slice shares memory with its vector: both keep the same list and a range of places."""

    __slots__ = ("_places", "_values")

    def __init__(self, values: list[int], places: range | None = None) -> None:
        self._values = values
        self._places = range(len(values)) if places is None else places

    # -- in and out --------------------------------------------------------------------------------------------

    @classmethod
    def zeros(cls, n: int) -> PlainVector:
        return cls([0] * n)

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> PlainVector:
        """From integers of any size and sign."""
        return cls([v % MODULUS for v in values])

    @classmethod
    def from_array(cls, values: NDArray[np.int64]) -> PlainVector:
        """From an int64 array (flattened)."""
        return cls.from_ints(values.ravel().tolist())

    @classmethod
    def eq_table(cls, point: Sequence[int], scale: int = 1) -> PlainVector:
        """scale * eq(i, point) for all i below 2^len(point); bit k of i goes with point[k]."""
        table = [scale]
        for x in point:
            high = [v * x % MODULUS for v in table]
            table = [v - h for v, h in zip(table, high, strict=True)] + high
        return cls.from_ints(table)

    @classmethod
    def powers(cls, base: int, count: int) -> PlainVector:
        """[1, base, base^2, ...], count elements."""
        return cls(powers(base, count))

    def canonical(self) -> NDArray[np.uint64]:
        """Canonical little-endian limbs, [n, 4] uint64."""
        raw = b"".join(v.to_bytes(SCALAR_BYTES, "little") for v in self.to_ints())
        return np.frombuffer(raw, dtype="<u8").astype(np.uint64).reshape(-1, 4)

    def to_ints(self) -> list[int]:
        return [self._values[k] for k in self._places]

    def scattered(self, places: NDArray[np.int64]) -> PlainVector:
        """The vector whose element i is the sum of those elements k with places[k] = i."""
        out = [0] * (int(places.max()) + 1)
        for place, value in zip(places.tolist(), self.to_ints(), strict=True):
            out[place] = (out[place] + value) % MODULUS
        return PlainVector(out)

    # -- arithmetic --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, part: slice) -> PlainVector:
        return PlainVector(self._values, self._places[part])

    def __setitem__(self, part: slice, value: PlainVector) -> None:
        for place, v in zip(self._places[part], value.to_ints(), strict=True):
            self._values[place] = v

    def copy(self) -> PlainVector:
        return PlainVector(self.to_ints())

    def _beside(self, other: PlainVector | int) -> zip[tuple[int, int]]:
        right = other.to_ints() if hasattr(other, "to_ints") else [other] * len(self)  # a compiled one, too
        return zip(self.to_ints(), right, strict=True)

    def __add__(self, other: PlainVector | int) -> PlainVector:
        return self.from_ints([a + b for a, b in self._beside(other)])

    def __sub__(self, other: PlainVector | int) -> PlainVector:
        return self.from_ints([a - b for a, b in self._beside(other)])

    def __mul__(self, other: PlainVector | int) -> PlainVector:
        return self.from_ints([a * b for a, b in self._beside(other)])

    def __radd__(self, other: int) -> PlainVector:
        return self + other

    def __rmul__(self, other: int) -> PlainVector:
        return self * other

    def __rsub__(self, other: int) -> PlainVector:
        return self.from_ints([other - a for a in self.to_ints()])

    def fold(self, r: int) -> PlainVector:
        """Bind the highest variable of the multilinear table to r: low + r (high - low)."""
        half = len(self) // 2
        low, high = self[:half], self[half:]
        return low + (high - low) * r

    def reversed(self) -> PlainVector:
        """Last element first."""
        return PlainVector(self.to_ints()[::-1])

    def outer(self, other: PlainVector) -> PlainVector:
        """The table with entry self[i] * other[j] at index i * len(other) + j."""
        right = other.to_ints()
        return self.from_ints([a * b for a in self.to_ints() for b in right])

    def inner(self, other: PlainVector) -> int:
        return (self * other).total()

    def total(self) -> int:
        return sum(self.to_ints()) % MODULUS

    def inverses(self) -> PlainVector:
        """1 / x for every x; raises ZeroDivisionError if one of them is zero."""
        return self.from_ints([inverse(v) for v in self.to_ints()])

    def fraction_sum(self, x: int) -> int:
        """sum_i x^i / self[i]; raises ZeroDivisionError for a zero."""
        return self.inverses().evaluate(x)

    def combine(self, rows: NDArray[np.int64]) -> PlainVector:
        """sum_r self[r] * rows[r], for rows int64 [R, M]."""
        return self.from_ints([sum(w * v for w, v in zip(self.to_ints(), c, strict=True)) for c in rows.T.tolist()])

    def evaluate(self, at: int) -> int:
        """Value at `at` of the polynomial with these coefficients, lowest first."""
        return sum(v * pow(at, k, MODULUS) for k, v in enumerate(self.to_ints())) % MODULUS

    def divide_linear(self, at: int) -> tuple[PlainVector, int]:
        """Quotient and remainder by (X - at) of the polynomial with these coefficients, lowest first."""
        quotient, carry = [], 0
        for v in reversed(self.to_ints()):
            quotient.append(carry)
            carry = (carry * at + v) % MODULUS
        return self.from_ints(quotient[::-1]), carry


def concatenate(parts: Sequence[PlainVector]) -> PlainVector:
    return PlainVector.from_ints([v for part in parts for v in part.to_ints()])

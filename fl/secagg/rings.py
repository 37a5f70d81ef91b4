"""Where masked vectors live: whole numbers modulo m, with masks expanded from a seed.

Two rings behind one small interface: `Words64` (modulo 2^64, NumPy's own wrap-around) for model updates, `PrimeField`
(modulo a prime, Python integers) for what is opened against commitments. In either, a mask is uniform, so a value
plus a mask is uniform whatever the value.

Masks come from ChaCha20 (RFC 8439) used as a stream cipher over zeros; field elements are cut from it 16 bytes longer
than the modulus and reduced, as in RFC 9380, section 5.3, which leaves a bias below 2^-128. Flower's own
`pseudo_rand_gen` is not used: it folds the seed to 32 bits and runs a Mersenne twister, which a coordinator can
invert by brute force.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from numpy.typing import NDArray

SEED_BYTES = 32
_EXTRA_BYTES = 16  # of each field element, so that reducing it leaves a bias below 2^-128

Vector = NDArray[Any]
"""One-dimensional: uint64 in `Words64`, Python integers (dtype object) in `PrimeField`."""


class Ring(Protocol):
    """Whole numbers modulo `modulus`, as vectors."""

    @property
    def modulus(self) -> int: ...

    def vector(self, values: Sequence[int] | Vector) -> Vector:
        """The values, of either sign, reduced modulo `modulus`."""

    def expand(self, seed: bytes, count: int) -> Vector:
        """`count` elements, uniform and independent to anybody without the seed (32 bytes)."""

    def add(self, a: Vector, b: Vector) -> Vector: ...

    def subtract(self, a: Vector, b: Vector) -> Vector: ...

    def to_bytes(self, vector: Vector) -> bytes:
        """Fixed width, little-endian."""

    def from_bytes(self, data: bytes) -> Vector:
        """Raises ValueError for a wrong length or an element not below `modulus`."""


@dataclass(frozen=True)
class Words64:
    """Modulo 2^64, as uint64."""

    modulus: int = 1 << 64

    def vector(self, values: Sequence[int] | Vector) -> Vector:
        array = np.asarray(values)
        if array.dtype == np.uint64:
            return array
        return np.asarray(array, dtype=np.int64).view(np.uint64)

    def expand(self, seed: bytes, count: int) -> Vector:
        return np.frombuffer(_keystream(seed, 8 * count), dtype="<u8").astype(np.uint64)

    def add(self, a: Vector, b: Vector) -> Vector:
        return a + b

    def subtract(self, a: Vector, b: Vector) -> Vector:
        return a - b

    def to_bytes(self, vector: Vector) -> bytes:
        return vector.astype("<u8").tobytes()

    def from_bytes(self, data: bytes) -> Vector:
        return np.frombuffer(data, dtype="<u8").astype(np.uint64)


@dataclass(frozen=True)
class PrimeField:
    """Modulo a prime, as Python integers."""

    modulus: int

    @property
    def _width(self) -> int:
        return (self.modulus.bit_length() + 7) // 8

    def vector(self, values: Sequence[int] | Vector) -> Vector:
        return self._reduced([int(value) for value in values])

    def expand(self, seed: bytes, count: int) -> Vector:
        width = self._width + _EXTRA_BYTES
        stream = _keystream(seed, width * count)
        return self._reduced([int.from_bytes(stream[i : i + width], "big") for i in range(0, len(stream), width)])

    def add(self, a: Vector, b: Vector) -> Vector:
        return np.asarray((a + b) % self.modulus)

    def subtract(self, a: Vector, b: Vector) -> Vector:
        return np.asarray((a - b) % self.modulus)

    def to_bytes(self, vector: Vector) -> bytes:
        return b"".join(int(value).to_bytes(self._width, "little") for value in vector)

    def from_bytes(self, data: bytes) -> Vector:
        if len(data) % self._width:
            raise ValueError(f"{len(data)} bytes are not a whole number of elements of {self._width} bytes")
        values = [int.from_bytes(data[i : i + self._width], "little") for i in range(0, len(data), self._width)]
        if any(value >= self.modulus for value in values):
            raise ValueError("an element is not below the modulus")
        return self._reduced(values)

    def _reduced(self, values: Sequence[int]) -> Vector:
        array = np.empty(len(values), dtype=object)
        array[:] = [value % self.modulus for value in values]
        return array


def _keystream(seed: bytes, length: int) -> bytes:
    # A fixed nonce is right here: a seed serves one expansion and no other.
    encryptor = Cipher(ChaCha20(seed, bytes(16)), mode=None).encryptor()
    return encryptor.update(bytes(length))

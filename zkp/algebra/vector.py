"""Vectors over the scalar field, compiled: the arithmetic of prover and verifier alike.

A `Vector` behaves like an array of integers modulo r: `+ - *` with another vector of the same length or an integer,
slices share memory. `zkp.algebra.vector_plain.PlainVector` is the same interface over Python integers; the tests hold
the two to the same answers. The functions at the end choose between them: numbers go into compiled vectors, the
symbols of `zkp.batch.recording` into plain ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from zkp.algebra import kernels
from zkp.algebra.field import MODULUS, SCALAR_BYTES, inverse
from zkp.algebra.vector_plain import PlainVector

Ints = NDArray[np.int64]

RandomScalars = Callable[[int], list[int]]
"""Source of randomness: count -> that many uniform scalars."""


def fresh_scalars(count: int) -> list[int]:
    """Uniform scalars from the operating system (64 bytes each, reduced: bias below 2^-256)."""
    data = secrets.token_bytes(64 * count)
    return [int.from_bytes(data[64 * k : 64 * k + 64], "little") % MODULUS for k in range(count)]


class Vector:
    """n elements of the scalar field; `data` is [n, 4] uint64, Montgomery form."""

    __slots__ = ("data",)

    def __init__(self, data: NDArray[np.uint64]) -> None:
        self.data = data

    # -- in and out --------------------------------------------------------------------------------------------

    @classmethod
    def zeros(cls, n: int) -> Vector:
        return cls(np.zeros((n, 4), dtype=np.uint64))

    @classmethod
    def from_ints(cls, values: Sequence[int]) -> Vector:
        """From integers of any size and sign."""
        raw = b"".join((int(v) % MODULUS).to_bytes(SCALAR_BYTES, "little") for v in values)
        data = np.frombuffer(raw, dtype="<u8").astype(np.uint64).reshape(-1, 4)
        out = np.empty_like(data)
        kernels.multiply(data, kernels.RADIX_SQUARED[None, :], out)
        return cls(out)

    @classmethod
    def from_array(cls, values: NDArray[np.int64]) -> Vector:
        """From an int64 array (flattened), fast."""
        flat = np.ascontiguousarray(values, dtype=np.int64).ravel()
        out = np.empty((flat.size, 4), dtype=np.uint64)
        kernels.from_int64(flat, out)
        return cls(out)

    @classmethod
    def eq_table(cls, point: Sequence[int], scale: int = 1) -> Vector:
        """scale * eq(i, point) for all i below 2^len(point); bit k of i goes with point[k]."""
        out = np.zeros((1 << len(point), 4), dtype=np.uint64)
        out[:1] = _montgomery(scale)
        if point:
            kernels.eq_table(cls.from_ints(point).data, out)
        return cls(out)

    @classmethod
    def powers(cls, base: int, count: int) -> Vector:
        """[1, base, base^2, ...], count elements."""
        factors = np.repeat(_montgomery(base), count, axis=0)
        factors[:1] = kernels.ONE
        out = np.empty_like(factors)
        kernels.prefix_products(factors, out)
        return cls(out)

    def scattered(self, places: NDArray[np.int64]) -> Vector:
        """The vector whose element i is the sum of those elements k with places[k] = i."""
        out = np.zeros((int(places.max()) + 1, 4), dtype=np.uint64)
        kernels.scatter_add(self.data, np.ascontiguousarray(places), out)
        return Vector(out)

    def canonical(self) -> NDArray[np.uint64]:
        """Canonical little-endian limbs, [n, 4] uint64."""
        out = np.empty_like(self.data)
        kernels.from_montgomery(self.data, out)
        return out

    def to_ints(self) -> list[int]:
        raw = self.canonical().astype("<u8").tobytes()
        return [int.from_bytes(raw[k : k + SCALAR_BYTES], "little") for k in range(0, len(raw), SCALAR_BYTES)]

    def add_at(self, places: NDArray[np.int64], values: Vector) -> None:
        """self[places[k]] += values[k], one after the other."""
        kernels.scatter_add(values.data, np.ascontiguousarray(places), self.data)

    # -- arithmetic --------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __getitem__(self, part: slice) -> Vector:
        return Vector(self.data[part])

    def __setitem__(self, part: slice, value: Vector) -> None:
        self.data[part] = value.data

    def copy(self) -> Vector:
        return Vector(self.data.copy())

    def _combine(self, kernel: Callable[..., None], other: Vector | int) -> Vector:
        out = np.empty((self.data.shape[0], 4), dtype=np.uint64)
        kernel(self.data, other.data if isinstance(other, Vector) else _montgomery(other), out)
        return Vector(out)

    def __add__(self, other: Vector | int) -> Vector:
        return self._combine(kernels.add, other)

    def __sub__(self, other: Vector | int) -> Vector:
        return self._combine(kernels.subtract, other)

    def __mul__(self, other: Vector | int) -> Vector:
        return self._combine(kernels.multiply, other)

    def __radd__(self, other: int) -> Vector:
        return self + other

    def __rmul__(self, other: int) -> Vector:
        return self * other

    def __rsub__(self, other: int) -> Vector:
        return self * (MODULUS - 1) + other

    def fold(self, r: int) -> Vector:
        """Bind the highest variable of the multilinear table to r: low + r (high - low)."""
        half = len(self) // 2
        out = np.empty((half, 4), dtype=np.uint64)
        kernels.fold(self.data[:half], self.data[half:], _montgomery(r), out)
        return Vector(out)

    def reversed(self) -> Vector:
        """Last element first."""
        return Vector(self.data[::-1])

    def outer(self, other: Vector) -> Vector:
        """The table with entry self[i] * other[j] at index i * len(other) + j."""
        rows = np.repeat(self.data, len(other), axis=0)
        return Vector(rows) * Vector(np.tile(other.data, (len(self), 1)))

    def combine(self, rows: Ints) -> Vector:
        """sum_r self[r] * rows[r], for rows int64 [R, M]."""
        out = np.zeros((rows.shape[1], 4), dtype=np.uint64)
        kernels.combine(self.data, np.ascontiguousarray(rows), out)
        return Vector(out)

    def inner(self, other: Vector) -> int:
        return _integer(kernels.inner(self.data, other.data))

    def total(self) -> int:
        return _integer(kernels.total(self.data))

    def inverses(self) -> Vector:
        """1 / x for every x; raises ZeroDivisionError if one of them is zero."""
        prefix = np.empty_like(self.data)
        kernels.prefix_products(self.data, prefix)
        last = _integer(prefix[-1:])
        if last == 0:
            raise ZeroDivisionError("a vector with a zero has no inverses")
        out = np.empty_like(self.data)
        kernels.unwind_inverses(self.data, prefix, _montgomery(pow(last, -1, MODULUS)), out)
        return Vector(out)

    def fraction_sum(self, x: int) -> int:
        """sum_i x^i / self[i]; raises ZeroDivisionError for a zero."""
        numerator, denominator = kernels.sum_fractions(self.data.copy(), _montgomery(x))
        return _integer(numerator) * inverse(_integer(denominator)) % MODULUS

    @classmethod
    def walk(cls, start: int, steps: Vector, pattern: NDArray[np.int64]) -> Vector:
        """[start, ...], as long as the pattern: each element is the one before it less steps[pattern[i]]."""
        out = np.empty((len(pattern), 4), dtype=np.uint64)
        kernels.walk(_montgomery(start), steps.data, np.ascontiguousarray(pattern), out)
        return cls(out)

    def evaluate(self, at: int) -> int:
        """Value at `at` of the polynomial with these coefficients, lowest first."""
        return self.divide_linear(at)[1]

    def divide_linear(self, at: int) -> tuple[Vector, int]:
        """Quotient and remainder by (X - at) of the polynomial with these coefficients, lowest first."""
        out = np.empty((len(self), 4), dtype=np.uint64)
        rest = kernels.horner_quotient(self.data, _montgomery(at), out)
        return Vector(out), _integer(rest)


def _montgomery(value: int) -> NDArray[np.uint64]:
    return np.array([kernels.limbs(value * kernels.RADIX % MODULUS)], dtype=np.uint64)


_RADIX_INVERSE = pow(kernels.RADIX, -1, MODULUS)


def _integer(data: NDArray[np.uint64]) -> int:
    a, b, c, d = (int(v) for v in data[0])
    return (a | b << 64 | c << 128 | d << 192) * _RADIX_INVERSE % MODULUS


def concatenate(parts: Sequence[Vector]) -> Vector:
    return Vector(np.concatenate([p.data for p in parts]))


def bilinear(left: Vector, right: Vector, values: Vector) -> int:
    """sum_ij left[i] * right[j] * values[i * len(right) + j]."""
    size, kind = len(right), type(left)
    rows = [values[k * size : (k + 1) * size].inner(right) for k in range(len(left))]
    return left.inner(kind.from_ints(rows))


def _kind(values: Sequence[int]) -> type[Vector]:
    """The vectors that hold such scalars."""
    if all(isinstance(v, int) for v in values):
        return Vector
    return cast(type[Vector], PlainVector)  # symbols pass for integers in all annotations


def scalars(values: Sequence[int]) -> Vector:
    """A vector of these scalars."""
    return _kind(values).from_ints(values)


def eq_table(point: Sequence[int], scale: int = 1) -> Vector:
    """scale * eq(i, point) for all i below 2^len(point); bit k of i goes with point[k]."""
    return _kind(point).eq_table(point, scale)


def powers(base: int, count: int) -> Vector:
    """[1, base, base^2, ...], count elements."""
    return _kind([base]).powers(base, count)

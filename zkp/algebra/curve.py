"""BLS12-381 behind one small interface, twice: `PyEccCurve` (reference) and `ArkworksCurve` (fast).

Points are opaque outside this file. What comes from outside is parsed with full checks: compressed form of 48 bytes
(ZCash serialisation, as in the IETF draft draft-irtf-cfrg-pairing-friendly-curves, appendix C), canonical
coordinate, on the curve, in the subgroup of prime order. The same randomness gives the same bytes with either.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.field import MODULUS, SCALAR_BYTES
from zkp.algebra.vector import Vector
from zkp.errors import MalformedProof, SetupError

FIELD_MODULUS = 0x1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB
G1_BYTES = 48
G2_BYTES = 96
IDENTITY = bytes([0xC0]) + bytes(G1_BYTES - 1)

Point = Any
"""A G1 or G2 point of one backend; compare and serialise it through its `Curve` only."""


class Curve(Protocol):
    """What the argument needs of a pairing-friendly curve."""

    name: str

    def decode(self, data: bytes) -> Point:
        """G1 point from compressed bytes, fully checked; the identity is refused. Raises MalformedProof."""

    def decode_trusted(self, data: bytes) -> Point:
        """G1 point from bytes whose hash is already known to be right: no subgroup check."""

    def decode_g2_trusted(self, data: bytes) -> Point: ...

    def encode(self, point: Point) -> bytes: ...

    def hash_to_curve(self, message: bytes, tag: bytes) -> Point:
        """A point of the subgroup whose logarithm nobody knows: RFC 9380, BLS12381G1_XMD:SHA-256_SSWU_RO_.

        `tag`: separates this use from all others (the RFC's DST).
        """

    def identity(self) -> Point: ...

    def add(self, left: Point, right: Point) -> Point: ...

    def negate(self, point: Point) -> Point: ...

    def msm(self, points: Sequence[Point], scalars: Vector | Sequence[int]) -> Point:
        """sum scalars[i] * points[i] (multi-scalar multiplication); len(points) >= len(scalars)."""

    def msm_many(self, sums: Sequence[tuple[Sequence[Point], Vector]]) -> list[Point]:
        """One msm for each pair, on as many threads as there are cores."""

    def pairing_check(self, pairs: Sequence[tuple[Point, Point]]) -> bool:
        """Whether the product of e(g1, g2) over the pairs is one."""


def _check_encoding(data: bytes) -> None:
    """Flags and coordinate of a compressed G1 point; what backends may wave through is refused here."""
    if len(data) != G1_BYTES:
        raise MalformedProof(f"a G1 point takes {G1_BYTES} bytes, here are {len(data)}")
    if not data[0] & 0x80:
        raise MalformedProof("a G1 point must be in compressed form")
    if data[0] & 0x40:
        raise MalformedProof("the identity is not accepted as a point of a proof")
    if int.from_bytes(data, "big") & ((1 << 381) - 1) >= FIELD_MODULUS:
        raise MalformedProof("the coordinate of a G1 point is not canonical")


def _is_small(limbs: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which canonical scalars, [n, 4], have at most 32 bits."""
    return ~(limbs[:, 1:].any(axis=1) | (limbs[:, 0] >> np.uint64(32) > 0))


class ArkworksCurve:
    """The arkworks implementation in Rust (package py-arkworks-bls12381)."""

    name = "arkworks"
    _SHARE = 1024

    def __init__(self) -> None:
        import py_arkworks_bls12381 as ark

        self._g1, self._g2, self._scalar, self._gt = ark.G1Point, ark.G2Point, ark.Scalar, ark.GT
        self._identity = ark.G1Point.identity()

    def decode(self, data: bytes) -> Point:
        _check_encoding(data)
        try:
            return self._g1.from_compressed_bytes(data)
        except ValueError as error:
            raise MalformedProof("a G1 point is not on the curve or not in its subgroup") from error

    def decode_trusted(self, data: bytes) -> Point:
        return self._g1.from_compressed_bytes_unchecked(data)

    def decode_g2_trusted(self, data: bytes) -> Point:
        return self._g2.from_compressed_bytes_unchecked(data)

    def encode(self, point: Point) -> bytes:
        return bytes(point.to_compressed_bytes())

    def hash_to_curve(self, message: bytes, tag: bytes) -> Point:
        return self._g1.hash_to_curve(message, tag)

    def identity(self) -> Point:
        return self._identity

    def add(self, left: Point, right: Point) -> Point:
        return left + right

    def negate(self, point: Point) -> Point:
        return -point

    def msm(self, points: Sequence[Point], scalars: Vector | Sequence[int]) -> Point:
        vector = scalars if isinstance(scalars, Vector) else Vector.from_ints(scalars)
        # Few-bit scalars make few windows, so they go in sums of their own, by sign; zeros cost nothing.
        limbs = vector.canonical()
        total = self._small_sum(points, limbs)
        wide = np.flatnonzero(~_is_small(limbs))
        if not wide.size:
            return total
        opposite = (Vector(vector.data[wide]) * -1).canonical()
        negative = _is_small(opposite)
        total = total - self._small_sum([points[i] for i in wide.tolist()], opposite)
        where = wide[~negative].tolist()
        if where:
            raw = limbs[where].astype("<u8").tobytes()
            parse = self._scalar.from_le_bytes
            values = [parse(raw[k : k + SCALAR_BYTES]) for k in range(0, len(raw), SCALAR_BYTES)]
            total = total + self._wide_sum([points[i] for i in where], values)
        return total

    def _wide_sum(self, points: list[Point], values: list[Any]) -> Point:
        """Sums long enough to pay for a thread are cut in parts, one for each core."""
        count = min(os.cpu_count() or 1, len(points) // self._SHARE)
        if count < 2:
            return self._g1.multiexp_unchecked(points, values)
        with ThreadPoolExecutor(max_workers=count) as pool:
            parts = pool.map(lambda k: self._g1.multiexp_unchecked(points[k::count], values[k::count]), range(count))
            return sum(parts, self._identity)

    def _small_sum(self, points: Sequence[Point], limbs: NDArray[np.uint64]) -> Point:
        """The part of the sum whose scalars have at most 32 bits."""
        where = np.flatnonzero(_is_small(limbs) & (limbs[:, 0] > 0))
        if not where.size:
            return self._identity
        values = [self._scalar(v) for v in limbs[where, 0].tolist()]
        return self._g1.multiexp_unchecked([points[i] for i in where.tolist()], values)

    def msm_many(self, sums: Sequence[tuple[Sequence[Point], Vector]]) -> list[Point]:
        if len(sums) < 2:  # a thread would cost more than it saves
            return [self.msm(*pair) for pair in sums]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            return list(pool.map(lambda pair: self.msm(*pair), sums))

    def pairing_check(self, pairs: Sequence[tuple[Point, Point]]) -> bool:
        return bool(self._gt.pairing_check([p for p, _ in pairs], [q for _, q in pairs]))


class PyEccCurve:
    """The Ethereum Foundation's py-ecc: pure Python, the reference."""

    name = "py-ecc"

    def __init__(self) -> None:
        from py_ecc import optimized_bls12_381 as b
        from py_ecc.bls import point_compression as form
        from py_ecc.bls.g2_primitives import subgroup_check

        self._b: Any = b
        self._form: Any = form
        self._in_subgroup = subgroup_check

    def decode(self, data: bytes) -> Point:
        _check_encoding(data)
        point = self._decompress(data)
        if not self._in_subgroup(point):
            raise MalformedProof("a G1 point is not on the curve or not in its subgroup")
        return point

    def decode_trusted(self, data: bytes) -> Point:
        return self._decompress(data)

    def _decompress(self, data: bytes) -> Point:
        try:
            return self._form.decompress_G1(int.from_bytes(data, "big"))
        except ValueError as error:
            raise MalformedProof("a G1 point is not on the curve or not in its subgroup") from error

    def decode_g2_trusted(self, data: bytes) -> Point:
        halves = int.from_bytes(data[:G1_BYTES], "big"), int.from_bytes(data[G1_BYTES:], "big")
        return self._form.decompress_G2(halves)

    def encode(self, point: Point) -> bytes:
        return int(self._form.compress_G1(point)).to_bytes(G1_BYTES, "big")

    def hash_to_curve(self, message: bytes, tag: bytes) -> Point:
        from py_ecc.bls.hash_to_curve import hash_to_G1

        return hash_to_G1(message, tag, hashlib.sha256)  # type: ignore[arg-type]

    def identity(self) -> Point:
        return self._b.Z1

    def add(self, left: Point, right: Point) -> Point:
        return self._b.add(left, right)

    def negate(self, point: Point) -> Point:
        return self._b.neg(point)

    def msm(self, points: Sequence[Point], scalars: Vector | Sequence[int]) -> Point:
        """Pippenger's bucket method (1976): the more terms, the wider the windows."""
        values = scalars.to_ints() if isinstance(scalars, Vector) else [s % MODULUS for s in scalars]
        terms = [(p, s) for p, s in zip(points, values, strict=False) if s]
        total = self._b.Z1
        bits = max((s.bit_length() for _, s in terms), default=0)
        width = max(2, len(terms).bit_length() - 3)  # a bucket costs two additions, whatever is in it
        for window in reversed(range(-(-bits // width))):
            for _ in range(width):
                total = self._b.double(total)
            total = self._b.add(total, self._window_sum(terms, window * width, 1 << width))
        return total

    def _window_sum(self, terms: Sequence[tuple[Point, int]], shift: int, size: int) -> Point:
        buckets = [self._b.Z1] * size
        for point, scalar in terms:
            digit = scalar >> shift & (size - 1)
            if digit:
                buckets[digit] = self._b.add(buckets[digit], point)
        running = total = self._b.Z1
        for bucket in reversed(buckets[1:]):
            running = self._b.add(running, bucket)
            total = self._b.add(total, running)
        return total

    def msm_many(self, sums: Sequence[tuple[Sequence[Point], Vector]]) -> list[Point]:
        return [self.msm(*pair) for pair in sums]

    def pairing_check(self, pairs: Sequence[tuple[Point, Point]]) -> bool:
        product = self._b.FQ12.one()
        for left, right in pairs:
            product = product * self._b.pairing(right, left, final_exponentiate=False)
        return bool(self._b.final_exponentiate(product) == self._b.FQ12.one())


CURVES = "wattproof.curves"
"""The group of entry points by which another package brings in a backend (docs/extending.md)."""
_BACKENDS: dict[str, type[ArkworksCurve] | type[PyEccCurve]] = {"arkworks": ArkworksCurve, "py-ecc": PyEccCurve}


def curve(name: str = "") -> Curve:
    """The backend of that name ("arkworks" or "py-ecc"); one object for each.

    Without a name: the environment's WATTPROOF_CURVE, else the fast one where it is installed.
    """
    name = name or os.environ.get("WATTPROOF_CURVE", "")
    if not name:
        name = "arkworks" if importlib.util.find_spec("py_arkworks_bls12381") else "py-ecc"
    return _backend(name)


@cache
def _backend(name: str) -> Curve:
    if name in _BACKENDS:
        return _BACKENDS[name]()
    others = entry_points(group=CURVES)
    if name not in others.names:
        raise SetupError(f"unknown curve backend {name!r}; choose one of {', '.join([*_BACKENDS, *others.names])}")
    backend: Curve = others[name].load()()
    return backend


def canonical_scalars(data: bytes) -> list[int]:
    """Scalars of 32 big-endian bytes each; raises MalformedProof for one that is not below the modulus."""
    out = [int.from_bytes(data[k : k + SCALAR_BYTES], "big") for k in range(0, len(data), SCALAR_BYTES)]
    if max(out, default=0) >= MODULUS:
        raise MalformedProof("a scalar is not canonical (not below the group order)")
    return out

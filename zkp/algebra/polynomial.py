"""Products of polynomials over the scalar field, by the number-theoretic transform (Pollard 1971)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from zkp.algebra import kernels
from zkp.algebra.field import inverse, root_of_unity
from zkp.algebra.vector import Vector


def sum_of_products(pairs: Sequence[tuple[Vector, Vector]], size: int) -> Vector:
    """The 2 * size coefficients of sum_k a_k(X) b_k(X), lowest first.

    Each polynomial has at most `size` coefficients; `size` is a power of two. The pairs are shared out among threads.
    """
    count = max(1, min(os.cpu_count() or 1, len(pairs)))
    with ThreadPoolExecutor(max_workers=count) as pool:
        first, *rest = pool.map(lambda k: _values(pairs[k::count], 2 * size), range(count))
    for values in rest:
        first = first + values
    kernels.transform_back(first.data, _roots(2 * size, backwards=True).data)
    return first * inverse(2 * size)


def _values(pairs: Sequence[tuple[Vector, Vector]], size: int) -> Vector:
    """The products' sum at all roots of unity of order `size`."""
    total = Vector.zeros(size)
    for pair in pairs:
        left, right = (_transformed(polynomial, size) for polynomial in pair)
        total = total + left * right
    return total


def _transformed(polynomial: Vector, size: int) -> Vector:
    out = np.zeros((size, 4), dtype=np.uint64)
    out[: len(polynomial)] = polynomial.data
    kernels.transform(out, _roots(size, backwards=False).data)
    return Vector(out)


@cache
def _roots(size: int, backwards: bool) -> Vector:
    """The powers below size / 2 of a root of unity of order `size`, or of its inverse."""
    root = root_of_unity(size)
    return Vector.powers(inverse(root) if backwards else root, size // 2)

"""Linear forms: public weights of a block's cells, which the prover writes out and the verifier only evaluates.

A row of cells is committed as the coefficients of a polynomial, and a form is evaluated like one: what the verifier
needs of the weights w is sum_i w_i rho^i, at a point rho that it chooses. For weights that are products of geometric
series and eq tables along a few axes (`TensorForm`), that takes a number of operations that grows with the logarithm
of their count, wherever the cells begin and wherever a row ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from zkp.algebra.field import MODULUS, eq_index, geometric, power, prefix_sum
from zkp.algebra.vector import Ints, Vector


class Powers:
    """A point rho with its inverse, and those of its powers that were asked for."""

    def __init__(self, rho: int, inverse: int) -> None:
        self.rho = rho
        self._known: dict[int, int] = {0: 1, 1: rho, -1: inverse}

    def power(self, exponent: int) -> int:
        """rho^exponent, for an exponent of either sign."""
        if exponent not in self._known:
            sign, size = (1, exponent) if exponent > 0 else (-1, -exponent)
            low = size & -size  # the lowest bit; without it, or halved, the power is likely to be known
            parts = (size // 2, size // 2) if low == size else (size - low, low)
            left, right = (self.power(sign * part) for part in parts)
            self._known[exponent] = left * right % MODULUS
        return self._known[exponent]


class Form(Protocol):
    """Weights of the cells of one block."""

    def weights(self) -> tuple[Ints, Vector]:
        """The cells that have a weight, each once, and the weights."""

    def at(self, powers: Powers, first: int, stop: int) -> int:
        """sum_i w_i rho^(i - first) over the cells first .. stop - 1."""


@dataclass(frozen=True)
class PowerAxis:
    """Weight ratio^k at the place k * stride, for k < count."""

    stride: int
    count: int
    ratio: int = 1

    def places(self) -> Ints:
        return np.arange(self.count, dtype=np.int64)

    def vector(self) -> Vector:
        return Vector.powers(self.ratio, self.count)

    def below(self, stop: int, powers: Powers) -> int:
        """sum_{k < stop} weight_k rho^(k stride)."""
        return geometric(self.ratio * powers.power(self.stride) % MODULUS, min(stop, self.count))

    def weight(self, k: int) -> int:
        return power(self.ratio, k) if k < self.count else 0


@dataclass(frozen=True)
class EqAxis:
    """Weight ratio^k eq(k, point) at the place k * stride, for start <= k < stop; bit b of k goes with point[b]."""

    stride: int
    point: tuple[int, ...]
    stop: int
    start: int = 0
    ratio: int = 1

    def places(self) -> Ints:
        return np.arange(self.start, self.stop, dtype=np.int64)

    def vector(self) -> Vector:
        table = Vector.eq_table(self.point)[self.start : self.stop]
        return table * Vector.powers(self.ratio, self.stop)[self.start :]

    def below(self, stop: int, powers: Powers) -> int:
        return self._sum(min(stop, self.stop), powers.power(self.stride))

    def total(self) -> int:
        """sum_k weight_k."""
        return self._sum(self.stop, 1)

    def _sum(self, stop: int, x: int) -> int:
        if stop <= self.start:
            return 0
        zeros = [1 - p for p in self.point]
        ones, step = [], self.ratio * x % MODULUS
        for p in self.point:
            ones.append(p * step % MODULUS)
            step = step * step % MODULUS
        total = prefix_sum(stop, zeros, ones)
        return total - prefix_sum(self.start, zeros, ones) if self.start else total

    def weight(self, k: int) -> int:
        return power(self.ratio, k) * eq_index(k, self.point) if self.start <= k < self.stop else 0


Axis = PowerAxis | EqAxis


@dataclass(frozen=True)
class TensorForm:
    """Weight scale * prod_a weight_a(k_a) for the cell start + sum_a k_a stride_a.

    Strides fall, and the axes that follow one fit into its stride, so that the cells come in the order of the places.
    """

    axes: tuple[Axis, ...] = ()
    start: int = 0
    scale: int = 1

    @cached_property
    def _weights(self) -> tuple[Ints, Vector]:
        cells, vector = np.array([self.start], dtype=np.int64), Vector.from_ints([self.scale])
        for axis in self.axes:
            cells = (cells[:, None] + axis.stride * axis.places()[None, :]).ravel()
            vector = vector.outer(axis.vector())
        return cells, vector

    def weights(self) -> tuple[Ints, Vector]:
        return self._weights

    def at(self, powers: Powers, first: int, stop: int) -> int:
        shift = self.scale * powers.power(self.start - first)
        total = _below(self.axes, stop - self.start, powers) - _below(self.axes, first - self.start, powers)
        return shift * total % MODULUS


def _below(axes: tuple[Axis, ...], stop: int, powers: Powers) -> int:
    """The sum over all cells before `stop`, counted from the axes' start."""
    if stop <= 0 or not axes:
        return int(stop > 0)
    axis, *inner = axes
    whole, rest = divmod(stop, axis.stride)
    total = axis.below(whole, powers) * _below(tuple(inner), axis.stride, powers)
    last = axis.weight(whole) if rest else 0
    if not isinstance(last, int) or last:
        total = total + last * powers.power(whole * axis.stride) * _below(tuple(inner), rest, powers)
    return total % MODULUS


def one_cell(place: int, weight: int = 1) -> TensorForm:
    return TensorForm((), place, weight)


def run_of(start: int, count: int, ratio: int = 1, scale: int = 1) -> TensorForm:
    """scale * ratio^k for `count` cells one after the other."""
    return TensorForm((PowerAxis(1, count, ratio),), start, scale)


def eq_form(point: Sequence[int], count: int, start: int = 0) -> TensorForm:
    """eq(i, point) for the cells start + i, i < count."""
    return TensorForm((EqAxis(1, tuple(point), count),), start)


@dataclass(frozen=True)
class DenseForm:
    """Any weights, for the cells start, start + 1, ... of a block that is no longer than a row."""

    values: tuple[int, ...]
    start: int = 0

    def weights(self) -> tuple[Ints, Vector]:
        return self.start + np.arange(len(self.values), dtype=np.int64), Vector.from_ints(self.values)

    def at(self, powers: Powers, first: int, stop: int) -> int:
        out = 0
        for value in reversed(self.values):
            out = (out * powers.rho + value) % MODULUS
        return out * powers.power(self.start) % MODULUS


@dataclass(frozen=True)
class RepeatedForm:
    """Weight scales[k] * values[i] for the cell k * len(values) + i, all in one row: any weights, at one of several
    places if `scales` is one-hot."""

    values: tuple[int, ...]
    scales: tuple[int, ...]

    def weights(self) -> tuple[Ints, Vector]:
        pairs = [(k, scale) for k, scale in enumerate(self.scales) if scale]
        places = [k * len(self.values) + np.arange(len(self.values), dtype=np.int64) for k, _ in pairs]
        return np.concatenate(places), Vector.from_ints([scale * v for _, scale in pairs for v in self.values])

    def at(self, powers: Powers, first: int, stop: int) -> int:
        places = enumerate(self.scales)
        shift = sum(scale * powers.power(k * len(self.values)) for k, scale in places) % MODULUS
        return DenseForm(self.values).at(powers, first, stop) * shift % MODULUS


@dataclass(frozen=True)
class FractionForm:
    """Weights 1 / denominators[i]."""

    denominators: Vector

    def weights(self) -> tuple[Ints, Vector]:
        return np.arange(len(self.denominators), dtype=np.int64), self.denominators.inverses()

    def at(self, powers: Powers, first: int, stop: int) -> int:
        return self.denominators[first:stop].fraction_sum(powers.rho)

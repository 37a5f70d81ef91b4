"""What a home sends: the sums over its days, as one vector of whole numbers that adds up over homes, and subtracts.

Adding is joining, subtracting is leaving (exact unlearning): the rest is to the bit what it would be if the home had
never been there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fl.errors import StatisticsRefused
from fl.one_shot.fixed_point import Floats, Ints, check_capacity, fixed
from fl.one_shot.shape import Scatter, StatisticsShape

_ROWS = 64  # days multiplied out at a time: about 10 MB for 200 inputs


@dataclass(frozen=True)
class Statistics:
    """Sums over days, of one home or many. `vector` int64 [shape.length]: counts as they are, the rest times 2^32."""

    shape: StatisticsShape
    vector: Ints

    def __post_init__(self) -> None:
        if self.vector.dtype != np.int64 or self.vector.shape != (self.shape.length,):
            raise StatisticsRefused(
                f"statistics of this shape are {self.shape.length} whole numbers, not {self.vector.shape} of "
                f"{self.vector.dtype}"
            )

    def __repr__(self) -> str:
        return f"Statistics({self.shape})"  # the sums of one home are that home's

    def part(self, name: str) -> Ints:
        """One of `shape.parts`, in its shape."""
        place = 0
        for other, shape in self.shape.parts.items():
            size = math.prod(shape)
            if other == name:
                return self.vector[place : place + size].reshape(shape)
            place += size
        raise KeyError(f"these statistics have no {name}, but {', '.join(self.shape.parts)}")

    def __add__(self, other: Statistics) -> Statistics:
        """The statistics of both together. `check_capacity` says beforehand whether they fit."""
        return Statistics(self._common_shape(other), self.vector + other.vector)

    def __sub__(self, other: Statistics) -> Statistics:
        """The statistics without the days of `other`, which must be in them."""
        return Statistics(self._common_shape(other), self.vector - other.vector)

    def _common_shape(self, other: Statistics) -> StatisticsShape:
        if self.shape != other.shape:
            raise StatisticsRefused(f"statistics of {self.shape} and of {other.shape} can't be added")
        return self.shape


def none(shape: StatisticsShape) -> Statistics:
    """The statistics of no days."""
    return Statistics(shape, np.zeros(shape.length, dtype=np.int64))


def class_statistics(
    features: Floats, labels: Ints, classes: int, bound: float, scatter: Scatter = "each"
) -> Statistics:
    """Of features [n, d] and labels [n] in 0 .. classes - 1, by class. No entry may be larger than `bound`.

    Raises StatisticsRefused for entries that are not finite or too large, and for labels out of range.
    """
    _check(features, bound, "feature")
    check_capacity(1, len(features), bound)
    if len(labels) != len(features) or labels.min(initial=0) < 0 or labels.max(initial=0) >= classes:
        raise StatisticsRefused(f"{len(features)} days need as many labels between 0 and {classes - 1}")
    by_class = [features[labels == c] for c in range(classes)]
    own = [_products(rows) for rows in by_class]
    parts = [np.array([len(rows) for rows in by_class], dtype=np.int64)]
    parts += [_sum(rows) for rows in by_class]
    if scatter == "each":
        parts += own
    else:
        parts += [_sum(rows**2) for rows in by_class]
        parts.append(np.sum(own, axis=0, dtype=np.int64))
    shape = StatisticsShape(classes=classes, features=features.shape[1], scatter=scatter)
    return Statistics(shape, np.concatenate(parts))


def regression_statistics(inputs: Floats, targets: Floats, bound: float) -> Statistics:
    """Of inputs [n, p] and targets [n, q]. No entry may be larger than `bound`.

    Raises StatisticsRefused for entries that are not finite or too large, and for as many targets as there are not.
    """
    _check(inputs, bound, "regression input")
    _check(targets, bound, "target")
    check_capacity(1, len(inputs), bound)
    if len(inputs) != len(targets):
        raise StatisticsRefused(f"{len(inputs)} days of inputs and {len(targets)} of targets")
    parts = [np.array([len(inputs)], dtype=np.int64), _sum(inputs), _sum(targets)]
    parts += [_products(inputs), _cross(inputs, targets), _sum(targets**2)]
    shape = StatisticsShape(inputs=inputs.shape[1], targets=targets.shape[1])
    return Statistics(shape, np.concatenate(parts))


def joined(classes: Statistics, regression: Statistics) -> Statistics:
    """Both kinds as one vector, so that one masked sum carries them."""
    a, b = classes.shape, regression.shape
    shape = StatisticsShape(a.classes, a.features, b.inputs, b.targets, a.scatter)
    return Statistics(shape, np.concatenate([classes.vector, regression.vector]))


def _check(values: Floats, bound: float, what: str) -> None:
    if values.ndim != 2:
        raise StatisticsRefused(f"{what}s must be a matrix with a row for each day, not {values.ndim}-dimensional")
    if not np.isfinite(values).all():
        raise StatisticsRefused(f"a {what} is not a finite number")
    if np.abs(values).max(initial=0) > bound:
        raise StatisticsRefused(f"a {what} is beyond its bound of {bound:g}: clip before summing")


def _sum(rows: Floats) -> Ints:
    return np.asarray(fixed(rows).sum(axis=0, dtype=np.int64))


def _products(rows: Floats) -> Ints:
    """sum z z' as its upper triangle, each day's products rounded for themselves."""
    first, second = np.triu_indices(rows.shape[1])
    total = np.zeros(len(first), dtype=np.int64)
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        total += fixed(some[:, first] * some[:, second]).sum(axis=0, dtype=np.int64)
    return total


def _cross(inputs: Floats, targets: Floats) -> Ints:
    """sum x y', flattened [p * q]."""
    total = np.zeros(inputs.shape[1] * targets.shape[1], dtype=np.int64)
    for start in range(0, len(inputs), _ROWS):
        some = slice(start, start + _ROWS)
        products = inputs[some, :, None] * targets[some, None, :]
        total += fixed(products.reshape(len(products), -1)).sum(axis=0, dtype=np.int64)
    return total

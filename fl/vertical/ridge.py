"""Ridge regression of a home's hours on its own columns and a partner's, from sums over homes.

A home has L = [1, X, y]: its columns and what is to be forecast; the partner has Z. Everything is a whole number, so
that sums are exact. What is summed over homes is

    [L'L, L'Z, Z'Z, rows, homes]

where L'Z comes as shares (`fl.vertical.products`). A home hides its part under a mask that the partner takes off its
own part, so the coordinator sees the sum over homes only. Equal to scikit-learn's Ridge on the joined columns,
standardised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl.vertical.errors import VerticalRefused
from fl.vertical.products import MOST_ROWS, Words, words

LARGEST_VALUE = 1 << 20
"""Of an entry: so many rows of such squares are below 2^60."""
DEFAULT_PENALTY = 1.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def vector_length(home_columns: int, partner_columns: int) -> int:
    """Words in a sum; home_columns without the constant and the target."""
    left = home_columns + 2
    return left * left + left * partner_columns + partner_columns**2 + 1


def home_part(joined: Ints, share: Words) -> Words:
    """What a home sums: of L [rows, p + 2] and its share of L'Z [p + 2, q]."""
    right = share.shape[1]
    own = words(joined).T @ words(joined)
    return np.concatenate([own.ravel(), share.ravel(), np.zeros(right * right + 1, np.uint64)]) + _one(
        own.size + share.size + right * right
    )


def partner_part(columns: Ints, share: Words) -> Words:
    """What the partner sums of one home: of Z [rows, q] and its share of L'Z."""
    left = share.shape[0]
    own = words(columns).T @ words(columns)
    return np.concatenate([np.zeros(left * left, np.uint64), share.ravel(), own.ravel(), np.zeros(1, np.uint64)])


def with_constant(columns: Ints, target: Ints) -> Ints:
    """L. Raises VerticalRefused for entries, or a number of rows, that sums have no room for."""
    joined = np.column_stack([np.ones(len(target), np.int64), columns, target])
    check_values(joined)
    return joined


def check_values(values: Ints) -> None:
    """Raises VerticalRefused for entries, or a number of rows, that sums have no room for."""
    if len(values) > MOST_ROWS or np.abs(values).max(initial=0) > LARGEST_VALUE:
        raise VerticalRefused(f"columns must be whole numbers up to {LARGEST_VALUE}, in at most {MOST_ROWS} rows")


@dataclass(frozen=True)
class Ridge:
    """y = x w + b, of columns as they are; `weight` float64 [columns]."""

    weight: Floats
    intercept: float

    def predict(self, columns: Ints) -> Floats:
        return np.asarray(columns @ self.weight + self.intercept)


@dataclass(frozen=True)
class JointRidge:
    """The regression on the joined columns, and the one on the home's alone, for when the partner is away."""

    home: Floats
    partner: Floats
    intercept: float
    alone: Ridge
    rows: int


def solve(total: Words, homes: int, partner_columns: int, penalty: float = DEFAULT_PENALTY) -> JointRidge:
    """The regression from a sum over `homes`. Raises VerticalRefused for one that no columns can have."""
    values = total.view(np.int64)
    left = _left_columns(len(values), partner_columns)
    if int(values[-1]) != homes:
        raise VerticalRefused(f"the sum says it is of {int(values[-1])} homes, and {homes} are in it")
    own = values[: left * left].reshape(left, left)
    cross = values[left * left : left * (left + partner_columns)].reshape(left, partner_columns)
    theirs = values[left * (left + partner_columns) : -1].reshape(partner_columns, partner_columns)
    gram = np.block([[own, cross], [cross.T, theirs]]).astype(np.float64)
    rows = int(own[0, 0])
    if not homes <= rows <= MOST_ROWS or (np.diag(gram) < 0).any() or not (gram == gram.T).all():
        raise VerticalRefused("the sum is of no columns: some part of it was not what it should be")
    target, home = left - 1, list(range(1, left - 1))
    joint = _ridge(gram, home + list(range(left, len(gram))), target, rows, penalty)
    alone = _ridge(gram, home, target, rows, penalty)
    return JointRidge(joint.weight[: len(home)], joint.weight[len(home) :], joint.intercept, alone, rows)


def _ridge(gram: Floats, columns: list[int], target: int, rows: int, penalty: float) -> Ridge:
    means = gram[0] / rows
    centred = gram / rows - np.outer(means, means)
    scale = np.sqrt(np.maximum(centred[columns, columns], 0))
    scale[scale == 0] = 1  # a column that is the same everywhere says nothing
    inner = centred[np.ix_(columns, columns)] / np.outer(scale, scale)
    solved = np.linalg.solve(inner + penalty / rows * np.eye(len(columns)), centred[columns, target] / scale)
    weight = solved / scale
    return Ridge(weight, float(means[target] - means[columns] @ weight))


def _left_columns(length: int, right: int) -> int:
    left = round((math.sqrt(right * right - 4 * (right * right + 1 - length)) - right) / 2)
    if left < 3 or vector_length(left - 2, right) != length:
        raise VerticalRefused(f"a sum of {length} words is not of {right} columns of a partner")
    return left


def _one(places: int) -> Words:
    """Zeros, and a one at the end: this home counts."""
    return np.append(np.zeros(places, np.uint64), np.uint64(1))

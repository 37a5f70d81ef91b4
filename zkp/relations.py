"""Many small linear relations between cells, as one: their combination by powers of a challenge.

Which cells a relation ties is fixed by the statement's shape; only the challenge differs from proof to proof. So the
relations are gathered once (`Relations`), and combined with a challenge in a few vector operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from zkp.field import MODULUS
from zkp.matrix import DenseForm, Linear, Term
from zkp.vector import Vector

Cell = tuple[str, int, int]
"""(block, cell, coefficient); coefficients fit 63 bits."""


@dataclass
class Relations:
    """sum of coefficient * block[cell], plus a constant, is zero: relation after relation."""

    _cells: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)  # cell, relation, coefficient
    _constants: dict[int, int] = field(default_factory=dict)
    _count: int = 0

    def add(self, cells: Sequence[Cell], constant: int = 0) -> None:
        for block, cell, coefficient in cells:
            self._cells.setdefault(block, []).append((cell, self._count, coefficient))
        if constant:
            self._constants[self._count] = constant
        self._count += 1

    def combine(self, base: int) -> Linear:
        """The relations' sum, weighted by 1, base, base^2, ..."""
        scales = Vector.powers(base, self._count)
        terms = []
        for block, entries in self._cells.items():
            cell, relation, coefficient = np.array(entries, dtype=np.int64).T
            weights = Vector(scales.data[relation]) * Vector.from_array(coefficient)
            terms.append(Term(block, 1, DenseForm(weights.scattered(cell))))
        listed = [(scales[k : k + 1].to_ints()[0], c) for k, c in self._constants.items()]
        return Linear(tuple(terms), sum(s * c for s, c in listed) % MODULUS)

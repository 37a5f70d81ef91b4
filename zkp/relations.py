"""Many small linear relations between cells, as one: their combination by powers of a challenge."""

from __future__ import annotations

from collections.abc import Sequence

from zkp.field import MODULUS
from zkp.matrix import DenseForm, Linear, Term
from zkp.vector import Vector


class Relations:
    """A random combination of linear relations between cells: weights by block, gathered relation by relation."""

    def __init__(self, base: int) -> None:
        self._base, self._scale = base, 1
        self._weights: dict[str, dict[int, int]] = {}
        self._constant = 0

    def add(self, cells: Sequence[tuple[str, int, int]], constant: int = 0) -> None:
        """sum of coefficient * block[cell], plus the constant, is zero."""
        for block, cell, coefficient in cells:
            known = self._weights.setdefault(block, {})
            known[cell] = known.get(cell, 0) + coefficient * self._scale
        self._constant += constant * self._scale
        self._scale = self._scale * self._base % MODULUS

    def linear(self) -> Linear:
        """The combination, as one linear function of the cells."""
        terms = []
        for block, cells in self._weights.items():
            dense = [0] * (max(cells) + 1)
            for cell, weight in cells.items():
                dense[cell] = weight
            terms.append(Term(block, 1, DenseForm(Vector.from_ints(dense))))
        return Linear(tuple(terms), self._constant % MODULUS)

"""Many small linear relations between cells, as one: their combination by powers of a challenge.

Which cells a relation ties is fixed by the statement's shape; only the challenge differs from proof to proof. So the
relations are gathered once (`Relations`), and combined with a challenge in a few vector operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.vector import Vector, powers
from zkp.argument.cells import Linear, SparseForm, Term

Cell = tuple[str, int, int]
"""(block, cell, coefficient); coefficients fit 63 bits."""


@dataclass(frozen=True)
class _Gathered:
    """The entries of all relations, block after block, as arrays."""

    blocks: dict[str, tuple[slice, int]]  # where its entries are, and where its cells end
    cells: NDArray[np.int64]
    relations: NDArray[np.int64]
    coefficients: Vector
    constants: Vector  # one for each relation


@dataclass
class Relations:
    """sum of coefficient * block[cell], plus a constant, is zero: relation after relation."""

    _cells: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)  # cell, relation, coefficient
    _constants: list[int] = field(default_factory=list)

    def add(self, cells: Sequence[Cell], constant: int = 0) -> None:
        """One relation more; not after the first `combine`."""
        for block, cell, coefficient in cells:
            self._cells.setdefault(block, []).append((cell, len(self._constants), coefficient))
        self._constants.append(constant)

    @cached_property
    def _gathered(self) -> _Gathered:
        stops = np.cumsum([len(entries) for entries in self._cells.values()]).tolist()
        blocks = {
            name: (slice(stop - len(entries), stop), max(cell for cell, _, _ in entries) + 1)
            for (name, entries), stop in zip(self._cells.items(), stops, strict=True)
        }
        entries = np.array([e for entries in self._cells.values() for e in entries], dtype=np.int64)
        cell, relation, coefficient = (np.ascontiguousarray(column) for column in entries.T)
        return _Gathered(blocks, cell, relation, Vector.from_array(coefficient), Vector.from_ints(self._constants))

    def combine(self, base: int) -> Linear:
        """The relations' sum, weighted by 1, base, base^2, ..."""
        known = self._gathered
        scales = powers(base, len(self._constants))
        weights = scales.gathered(known.relations) * known.coefficients
        terms = (
            Term(block, 1, SparseForm(known.cells[part], weights[part], stop))
            for block, (part, stop) in known.blocks.items()
        )
        return Linear(tuple(terms), scales.inner(known.constants))

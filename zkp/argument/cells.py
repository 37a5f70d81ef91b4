"""The committed matrix: every private cell of a statement has an address, and linear claims speak of addresses.

Cells are numbered 0 .. 2^n - 1 and cut into rows of 4096, each with a commitment of its own. Blocks of cells (columns
of the trace, the lookup multiplicities, rows that the statement supplies, such as the weights or a meter's window)
start at multiples of their size, so that a block's name is a prefix of the address and multilinear forms split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.field import MODULUS, eq, eq_index, eq_values
from zkp.algebra.srs import ROW, ROW_BITS
from zkp.algebra.vector import Vector, concatenate, eq_table


@dataclass(frozen=True)
class Block:
    """Cells offset .. offset + size - 1; only the first `used` may be other than zero."""

    name: str
    offset: int
    size: int
    used: int

    @property
    def bits(self) -> int:
        return self.size.bit_length() - 1

    @property
    def rows(self) -> range:
        """Rows of the matrix in which the block may have a cell other than zero."""
        return range(self.offset // ROW, (self.offset + self.used - 1) // ROW + 1)


@dataclass
class Layout:
    """Places blocks. Blocks of a row or more come first; smaller ones fill rows group by group. Largest first."""

    blocks: dict[str, Block] = field(default_factory=dict)
    groups: dict[str, list[int]] = field(default_factory=dict)
    cells: int = 0

    @classmethod
    def plan(cls, groups: dict[str, Sequence[tuple[str, int, int]]]) -> Layout:
        """From group -> [(name, size, used)], sizes powers of two; no row holds cells of two groups."""
        layout = cls()
        flat = [(group, *entry) for group, entries in groups.items() for entry in entries]
        for group, name, size, used in sorted((b for b in flat if b[2] >= ROW), key=lambda b: -b[2]):
            layout._place(group, name, size, used)
        for group, entries in groups.items():
            for name, size, used in sorted((b for b in entries if b[1] < ROW), key=lambda b: -b[1]):
                layout._place(group, name, size, used)
            layout.cells = -(-layout.cells // ROW) * ROW
        layout.cells = 1 << (layout.cells - 1).bit_length()
        return layout

    def _place(self, group: str, name: str, size: int, used: int) -> None:
        block = Block(name, self.cells, size, used)
        self.blocks[name] = block
        self.cells += size
        known = self.groups.setdefault(group, [])
        known.extend(r for r in block.rows if r not in known)

    @property
    def bits(self) -> int:
        return self.cells.bit_length() - 1

    @property
    def row_bits(self) -> int:
        return self.bits - ROW_BITS


class PointTables:
    """A point of the matrix, with the eq tables of its coordinates made when first asked for."""

    def __init__(self, point: Sequence[int]) -> None:
        self.point = list(point)
        self._tables: dict[tuple[int, int], Vector] = {}

    def table(self, first: int, stop: int) -> Vector:
        """eq of the coordinates first .. stop - 1."""
        if (first, stop) not in self._tables:
            self._tables[first, stop] = eq_table(self.point[first:stop])
        return self._tables[first, stop]

    def start(self, bits: int, count: int) -> tuple[Vector, int]:
        """eq of the first `count` cells of a block (possibly of more), and a factor that they lack."""
        needed = min((count - 1).bit_length(), bits)
        return self.table(0, needed), eq_index(0, self.point[needed:bits])

    @cached_property
    def rows(self) -> list[int]:
        """eq of each row's number."""
        return eq_values(self.point[ROW_BITS:])

    def block(self, block: Block) -> int:
        """eq of the block's number among those of its size."""
        if block.bits >= ROW_BITS:
            return eq_index(block.offset >> block.bits, self.point[block.bits :])
        within = eq_index((block.offset % ROW) >> block.bits, self.point[block.bits : ROW_BITS])
        return within * self.rows[block.offset // ROW] % MODULUS


class Form(Protocol):
    """A linear form on the cells of one block."""

    def dense(self) -> Vector:
        """Its weights, from the block's first cell on."""

    def at(self, tables: PointTables, bits: int) -> int:
        """The multilinear extension of the weights at the point's low `bits` coordinates."""


@dataclass(frozen=True)
class EqForm:
    """Weights eq(i, point)."""

    point: tuple[int, ...]

    @cached_property
    def _dense(self) -> Vector:
        return Vector.eq_table(self.point)

    def dense(self) -> Vector:
        return self._dense

    def at(self, tables: PointTables, bits: int) -> int:
        if bits != len(self.point):
            raise ValueError("an eq form has one coordinate for each bit of its block")
        return eq(self.point, tables.point[:bits])


@dataclass(frozen=True)
class DenseForm:
    """Any weights, for the cells start, start + 1, ..."""

    weights: Vector
    start: int = 0

    def dense(self) -> Vector:
        out = Vector.zeros(self.start + len(self.weights))
        out[self.start :] = self.weights
        return out

    def at(self, tables: PointTables, bits: int) -> int:
        stop = self.start + len(self.weights)
        table, factor = tables.start(bits, stop)
        return self.weights.inner(table[self.start : stop]) * factor % MODULUS


@dataclass(frozen=True)
class SparseForm:
    """weights[k] for the cell cells[k], which is below `stop`; a cell may appear more than once."""

    cells: NDArray[np.int64]
    weights: Vector
    stop: int

    def dense(self) -> Vector:
        return self.weights.scattered(self.cells)

    def at(self, tables: PointTables, bits: int) -> int:
        table, factor = tables.start(bits, self.stop)
        return self.weights.inner(table.gathered(self.cells)) * factor % MODULUS


@dataclass(frozen=True)
class CellForm:
    """One cell."""

    cell: int

    def dense(self) -> Vector:
        out = Vector.zeros(self.cell + 1)
        out[self.cell :] = Vector.from_ints([1])
        return out

    def at(self, tables: PointTables, bits: int) -> int:
        return eq_index(self.cell, tables.point[:bits])


@dataclass(frozen=True)
class OuterForm:
    """Weights high[i] * low[j] for cell i * len(low) + j; len(low) is a power of two."""

    high: Vector
    low: Vector

    def dense(self) -> Vector:
        return self.high.outer(self.low)

    def at(self, tables: PointTables, bits: int) -> int:
        split = len(self.low).bit_length() - 1
        upper = tables.table(split, bits)[: len(self.high)]
        return self.high.inner(upper) * self.low.inner(tables.table(0, split)) % MODULUS


@dataclass(frozen=True)
class ChosenForm:
    """The same weights for one of several equal parts: choice[m] * weights[j] for cell m * len(weights) + j."""

    choice: tuple[int, ...]
    weights: Vector

    def dense(self) -> Vector:
        return concatenate([self.weights * c for c in self.choice])

    def at(self, tables: PointTables, bits: int) -> int:
        """Cells of a part fall in runs of a power of two, whose places are the same in every part."""
        size = len(self.weights)
        run = size & -size
        runs, split = size // run, run.bit_length() - 1
        needed = max(split, min((size * len(self.choice) - 1).bit_length(), bits))
        high, outside = tables.table(split, needed), eq_index(0, tables.point[needed:bits])
        chosen = high[:runs] * self.choice[0]
        for m, c in enumerate(self.choice[1:], start=1):
            chosen = chosen + high[m * runs : (m + 1) * runs] * c
        return self.weights.inner(chosen.outer(tables.table(0, split))) * outside % MODULUS


@dataclass(frozen=True)
class NumberForm:
    """Weights of numbers that stand as bits, lowest first: weights[n] * 2^k for cell start + n * width + k."""

    start: int
    width: int
    weights: Vector

    def dense(self) -> Vector:
        low = Vector.from_array(1 << np.arange(self.width))
        return concatenate([Vector.zeros(self.start), self.weights.outer(low)])

    def at(self, tables: PointTables, bits: int) -> int:
        """Bits of a number that share the high part of their places are added up before that is looked at: with
        S_a = sum_{l >= a} 2^(l - a) low[l], those in the places a .. b - 1 of a part come to S_a - 2^(b - a) S_b."""
        split = (bits + 1) // 2
        low, high = tables.table(0, split).to_ints(), tables.table(split, bits).to_ints()
        part = len(low)
        sums = [0] * (part + 1)
        for a in reversed(range(part)):
            sums[a] = low[a] + 2 * sums[a + 1]
        total = 0
        for n, weight in enumerate(self.weights.to_ints()):
            number, first = 0, self.start + n * self.width
            cell, stop = first, first + self.width
            while cell < stop:
                end = min(stop, (cell // part + 1) * part)
                rest = sums[end % part] * (1 << end - cell) if end % part else 0
                piece = sums[cell % part] - rest
                number += piece * (1 << cell - first) * high[cell // part]
                cell = end
            total += weight * number
        return total % MODULUS


@dataclass(frozen=True)
class Term:
    """coefficient * form(cells of the block)."""

    block: str
    coefficient: int
    form: Form


@dataclass(frozen=True)
class Linear:
    """A linear function of the cells, plus a constant."""

    terms: tuple[Term, ...]
    constant: int = 0

    def times(self, scale: int) -> Linear:
        scaled = tuple(Term(t.block, t.coefficient * scale % MODULUS, t.form) for t in self.terms)
        return Linear(scaled, self.constant * scale % MODULUS)

    def plus(self, other: Linear) -> Linear:
        return Linear(self.terms + other.terms, (self.constant + other.constant) % MODULUS)

    def weights(self, layout: Layout) -> Vector:
        """The coefficient of every cell of the matrix."""
        out = Vector.zeros(layout.cells)
        known: dict[int, Vector] = {}
        for term in self.terms:
            if id(term.form) not in known:
                known[id(term.form)] = term.form.dense()
            dense = known[id(term.form)]
            offset = layout.blocks[term.block].offset
            part = slice(offset, offset + len(dense))
            out[part] = out[part] + dense * term.coefficient
        return out

    def weights_at(self, layout: Layout, point: Sequence[int]) -> int:
        """The multilinear extension of `weights` at a point of the matrix."""
        tables = PointTables(point)
        forms: dict[tuple[int, int], int] = {}
        places: dict[str, int] = {}
        total = 0
        for term in self.terms:
            block = layout.blocks[term.block]
            if term.block not in places:
                places[term.block] = tables.block(block)
            key = (id(term.form), block.bits)
            if key not in forms:
                forms[key] = term.form.at(tables, block.bits)
            total += term.coefficient * forms[key] % MODULUS * places[term.block]
        return total % MODULUS

"""Lookups by logarithmic derivatives: logUp (Haböck, eprint 2022/1530).

All values v looked up are in the table t if and only if, for multiplicities m,
    sum over lookups of 1 / (alpha - v)  =  sum_j m_j / (alpha - t_j)        at a random alpha.
Lookups of the same rows share one helper column h = sum_l 1 / (alpha - v_l), held to it by a row gate; the table's
side needs no column, for 1 / (alpha - t_j) is public and the right side is a linear form of the multiplicities.

An entry (key, out_1, out_2) of sub-table `tag` is compressed to tag + beta key + beta^2 out_1 + beta^3 out_2. Keys
count from zero, so that sub-table and key give the entry's place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.field import powers, prefix_sum
from zkp.algebra.vector import Vector, concatenate
from zkp.argument.cells import PointTables
from zkp.errors import WitnessError


@dataclass(frozen=True)
class Selector:
    """Rows start <= i < stop of the grid with (i - start) mod width < keep: where a gate or a lookup is active."""

    start: int
    stop: int
    width: int = 1
    keep: int = 1

    def rows(self) -> NDArray[np.int64]:
        return self._rows

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        rows = np.arange(self.start, self.stop, dtype=np.int64)
        return rows[(rows - self.start) % self.width < self.keep]

    def pick(self, column: Vector) -> Vector:
        return Vector(column.data[self._rows])

    def spread(self, values: Vector, size: int) -> Vector:
        """The column that has `values` in the active rows and zero elsewhere."""
        out = Vector.zeros(size)
        out.data[self._rows] = values.data
        return out

    def weigh(self, zeros: Sequence[int], ones: Sequence[int]) -> int:
        """Sum over the active rows of prod_k (ones[k] if bit k of the row else zeros[k])."""
        width, split = self.width, self.width.bit_length() - 1
        if width == 1 << split and self.start % width == self.stop % width == 0:
            first, stop = (prefix_sum(row >> split, zeros[split:], ones[split:]) for row in (self.start, self.stop))
            return (stop - first) * prefix_sum(self.keep, zeros[:split], ones[:split])
        total = 0
        for first in range(self.start, self.stop, width):
            stop = min(first + self.keep, self.stop)
            total += prefix_sum(stop, zeros, ones) - prefix_sum(first, zeros, ones)
        return total


@dataclass(frozen=True)
class SelectorForm:
    """The sum of the active rows' cells, as a linear form (see `zkp.argument.cells.Form`)."""

    selector: Selector

    def dense(self) -> Vector:
        ones = Vector.from_array(np.ones(len(self.selector.rows()), dtype=np.int64))
        return self.selector.spread(ones, self.selector.stop)

    def at(self, tables: PointTables, bits: int) -> int:
        point = tables.point[:bits]
        return self.selector.weigh([1 - x for x in point], point)


@dataclass(frozen=True)
class SubTable:
    """Entries (key, outputs...) for key = 0 .. size - 1."""

    size: int
    outputs: tuple[NDArray[np.int64], ...] = ()


@dataclass(frozen=True)
class Table:
    """Sub-tables one after the other; the tag of a sub-table is its number, from one."""

    parts: tuple[SubTable, ...]

    @property
    def size(self) -> int:
        return sum(p.size for p in self.parts)

    def offset(self, tag: int) -> int:
        return sum(p.size for p in self.parts[: tag - 1])

    @cached_property
    def _fields(self) -> list[NDArray[np.int64]]:
        """Tag, key and outputs of every entry."""
        depth = max(len(p.outputs) for p in self.parts)
        tags = np.repeat(np.arange(1, len(self.parts) + 1), [p.size for p in self.parts])
        outputs = [
            np.concatenate([p.outputs[k] if k < len(p.outputs) else np.zeros(p.size, np.int64) for p in self.parts])
            for k in range(depth)
        ]
        return [tags, np.concatenate([np.arange(p.size) for p in self.parts]), *outputs]

    @cached_property
    def ranges(self) -> list[int]:
        """What each field stays below."""
        return [int(f.max()) + 1 for f in self._fields]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Where the multiple of each field's scale stands among all multiples, [fields, size]."""
        return np.stack([f + sum(self.ranges[:k]) for k, f in enumerate(self._fields)]).astype(np.int64)

    def denominators(self, alpha: int, beta: int) -> Vector:
        """alpha - entry for every entry. Fields are small numbers: their multiples of beta^k are looked up."""
        scales = powers(beta, len(self.ranges))
        parts = [Vector.multiples(s, count) for s, count in zip(scales, self.ranges, strict=True)]
        return concatenate(parts).sums_from(alpha, self.places)

    def inverses(self, alpha: int, beta: int) -> Vector:
        """1 / (alpha - entry) for every entry."""
        return self.denominators(alpha, beta).inverses()


@dataclass(frozen=True)
class FractionForm:
    """sum_j cell_j / denominators[j] as a linear form (see `zkp.argument.cells.Form`)."""

    denominators: Vector

    def dense(self) -> Vector:
        return self.denominators.inverses()

    def at(self, tables: PointTables, bits: int) -> int:
        return self.denominators.fraction_sum(tables.point[:bits])


@dataclass(frozen=True)
class Lookup:
    """The columns (key, outputs...) of an active row are an entry of sub-table `tag`."""

    tag: int
    columns: tuple[str, ...]

    def denominator(self, columns: Mapping[str, Any], alpha: int, beta: int) -> Any:
        """alpha - compressed entry; of vectors (prover) or of values (verifier)."""
        scale = beta
        total = columns[self.columns[0]] * scale
        for name in self.columns[1:]:
            scale *= beta
            total = total + columns[name] * scale
        return (alpha - self.tag) - total


@dataclass(frozen=True)
class LookupGroup:
    """Lookups of the same rows that share one helper column."""

    helper: str
    selector: Selector
    lookups: tuple[Lookup, ...]  # two or more

    @property
    def degree(self) -> int:
        return len(self.lookups) + 1

    def gate(self, columns: Mapping[str, Any], alpha: int, beta: int) -> Any:
        """helper * prod d_l - sum_l prod_{l' != l} d_l', zero on active rows."""
        first, second, *rest = (look.denominator(columns, alpha, beta) for look in self.lookups)
        # product = d_1 ... d_k and total = its derivative, sum_l prod_{l' != l} d_l', one factor after the other.
        product, total = first * second, first + second
        for d in rest:
            product, total = product * d, total * d + product
        return columns[self.helper] * product - total

    def helper_values(self, columns: Mapping[str, Vector], alpha: int, beta: int) -> Vector:
        """The helper column in the active rows: sum_l 1 / d_l."""
        active = {name: self.selector.pick(columns[name]) for look in self.lookups for name in look.columns}
        total = Vector.zeros(len(self.selector.rows()))
        for look in self.lookups:
            total = total + look.denominator(active, alpha, beta).inverses()
        return total


def multiplicities(
    table: Table, groups: Sequence[LookupGroup], columns: Mapping[str, NDArray[np.int64]]
) -> NDArray[np.int64]:
    """How often each entry is looked up, [table.size] int64. Raises WitnessError for a key outside its table."""
    counts = np.zeros(table.size, dtype=np.int64)
    for group in groups:
        rows = group.selector.rows()
        for look in group.lookups:
            keys = columns[look.columns[0]][rows]
            if keys.size and not 0 <= keys.min() <= keys.max() < table.parts[look.tag - 1].size:
                raise WitnessError(f"column {look.columns[0]!r} leaves the range of its table")
            np.add.at(counts, table.offset(look.tag) + keys, 1)
    return counts

"""What is to hold, in public terms: columns with gates and lookups, a product of vectors, linear constraints.

Prover and verifier build a `Relation` from the public statement alone; a `Witness` makes it true.

A column is a table over the grid of 2^n rows. Its cells are committed as far as its values reach, or are part of an
input that the statement brings along; below them it is zero, and gates and lookups hold for rows of zeros. Its last
row is a pad: one random cell in a row for which nothing needs to hold, so that the column's value at a random point
tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS, SCALAR_BYTES, prefix_sum
from zkp.algebra.srs import ROW, powers_digest
from zkp.algebra.vector import Ints, Vector
from zkp.argument.cells import Layout, Linear
from zkp.argument.sumcheck import Mask
from zkp.argument.tables import LookupGroup, Table, block_of

FIRST, HELPERS, PADS = "first", "helpers", "pads"
PRODUCT_PADS = 3


@dataclass(frozen=True)
class Column:
    """`used` rows of values; those of `block` from its cell `first` on, or a block of the column's own name."""

    name: str
    used: int
    block: str = ""
    first: int = 0

    @property
    def cells(self) -> str:
        return self.block or self.name


@dataclass(frozen=True)
class Selector:
    """The rows start + k * stride + j with k < repeats and j < count, where a gate is to hold; stride is a power of
    two, and start + count is at most a stride."""

    start: int
    count: int
    stride: int
    repeats: int

    def rows(self) -> Ints:
        places = np.arange(self.start, self.start + self.count)
        return (self.stride * np.arange(self.repeats)[:, None] + places[None, :]).ravel()

    def column(self, size: int) -> Vector:
        """One on these rows, else zero."""
        out = np.zeros(size, dtype=np.int64)
        out[self.rows()] = 1
        return Vector.from_array(out)

    def at(self, point: Sequence[int]) -> int:
        """The column's multilinear extension."""
        bits = self.stride.bit_length() - 1
        low, high = ([1 - x for x in part] for part in (point[:bits], point[bits:]))
        within = prefix_sum(self.start + self.count, low, point[:bits]) - prefix_sum(self.start, low, point[:bits])
        return within * prefix_sum(self.repeats, high, point[bits:]) % MODULUS


@dataclass(frozen=True)
class Gate:
    """value(columns) = 0, of this degree in the columns, on the selected rows; without a selector on every row, and
    then of rows of zeros, too."""

    degree: int
    value: Callable[[Mapping[str, Any]], Any]
    selector: Selector | None = None


@dataclass(frozen=True)
class Product:
    """<left, right> = total, for two vectors of 2^bits entries that are linear in the cells.

    `left(point)` and `right(point)` are the linear functions that give the vectors' multilinear extensions. The last
    three entries of both are zero, and become the pads' (zkp.argument.products).
    """

    bits: int
    total: Linear
    left: Callable[[list[int]], Linear]
    right: Callable[[list[int]], Linear]


@dataclass(frozen=True)
class CommittedInput:
    """Cells that the statement brings along, as commitments of whole rows (None for a row of zeros)."""

    name: str
    used: int
    commitments: tuple[Point | None, ...]


Draw = Callable[[], int]
"""The next challenge."""


@dataclass(frozen=True)
class Relation:
    """Everything that is public. `header`: kind and version of the proof's format; `length`: cells of a row."""

    protocol: str
    header: bytes
    statement: bytes
    grid_bits: int
    columns: tuple[Column, ...]
    inputs: tuple[CommittedInput, ...]
    gates: tuple[Gate, ...]
    constraints: Callable[[Draw], list[Linear]]
    table: Table | None = None
    groups: tuple[LookupGroup, ...] = ()
    product: Callable[[Draw], Product] | None = None
    product_bits: int = 0
    length: int = ROW

    @property
    def grid(self) -> int:
        """Rows of the grid."""
        return 1 << self.grid_bits

    @property
    def layout(self) -> Layout:
        groups: dict[str, tuple[tuple[str, int], ...]] = {i.name: ((i.name, i.used),) for i in self.inputs}
        own = [(c.name, c.used) for c in self.columns if not c.block]
        tables = [(block_of(t), self.table.parts[t - 1].size) for t in self.table.tags] if self.table else []
        groups[FIRST] = (*own, (PADS, self.pads.size), *tables)
        if self.groups:
            groups[HELPERS] = tuple((h.name, h.used) for h in self.helpers)
        return _plan(self.length, tuple(groups.items()))

    @cached_property
    def helpers(self) -> tuple[Column, ...]:
        used = {c.name: c.used for c in self.columns}
        most = self.grid - 1  # the last row is a pad
        return tuple(Column(g.helper, min(most, max(used[n] for n in g.columns))) for g in self.groups)

    @cached_property
    def gate_columns(self) -> tuple[Column, ...]:
        """Columns whose values are revealed at the gates' point."""
        return (*self.columns, *self.helpers)

    @property
    def degree(self) -> int:
        """Of gates and lookups in a variable of the grid."""
        return max([g.degree + (g.selector is not None) for g in self.gates] + [g.degree for g in self.groups])

    @property
    def pads(self) -> Pads:
        return Pads(len(self.gate_columns), self.grid_bits, self.degree, self.product_bits)

    @cached_property
    def parameters(self) -> bytes:
        """A digest of all that is the same for every statement of this shape: sizes, gates, tables, powers of tau."""
        return _parameters(
            (self.protocol, self.grid_bits, self.product_bits, self.length, self.product is not None),
            self.columns, tuple((i.name, i.used) for i in self.inputs), self.gates, self.groups, self.table,
        )  # fmt: skip


@dataclass(frozen=True)
class Pads:
    """The block of random cells that hide what is sent, one for each number: where each kind begins.

    Values of columns; left value, right value and total of the product; the gates' exempt row; coefficients of the
    sumchecks' rounds; one more for the opening.
    """

    columns: int
    grid_bits: int
    degree: int
    product_bits: int

    @property
    def product(self) -> int:
        return self.columns

    @property
    def exempt(self) -> int:
        return self.product + (PRODUCT_PADS if self.product_bits else 0)

    @property
    def gate_mask(self) -> Mask:
        return Mask(PADS, self.exempt + 1, self.grid_bits, self.degree)

    @property
    def product_mask(self) -> Mask:
        return Mask(PADS, self.exempt + 1 + self.gate_mask.size, self.product_bits, 2)

    @property
    def opening(self) -> int:
        return self.product_mask.first + self.product_mask.size

    @property
    def size(self) -> int:
        return self.opening + 1


@dataclass(frozen=True, repr=False)
class Witness:
    """The prover's cells: columns as int64 arrays of `used` rows; each input's rows with their blindings; left and
    right side of the product for given challenges."""

    columns: Mapping[str, Ints]
    inputs: Mapping[str, Sequence[tuple[Vector, int] | None]]
    product: Callable[[Draw], tuple[Vector, Vector]] | None = None

    def secrets(self) -> Iterator[bytes]:
        """Everything that nobody else knows, for hedging."""
        yield from (column.tobytes() for column in self.columns.values())
        for row in (row for rows in self.inputs.values() for row in rows if row is not None):
            yield row[0].data.tobytes() + row[1].to_bytes(SCALAR_BYTES, "big")


def gate_sum(
    relation: Relation, columns: Mapping[str, Any], selectors: Mapping[Selector, Any], chi: int, seeds: Any
) -> Any:
    """sum_k chi^k gate_k; columns and selectors are vectors (prover) or values at a point (verifier)."""
    total: Any = 0
    scale = 1
    for gate in relation.gates:
        value = gate.value(columns) * scale
        total = (value if gate.selector is None else value * selectors[gate.selector]) + total
        scale = scale * chi % MODULUS
    for group in relation.groups:
        total = group.gate(columns, seeds) * scale + total
        scale = scale * chi % MODULUS
    return total


def selectors_of(relation: Relation) -> list[Selector]:
    return list(dict.fromkeys(g.selector for g in relation.gates if g.selector is not None))


@lru_cache(maxsize=64)
def _plan(length: int, groups: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]) -> Layout:
    return Layout.plan(length, dict(groups))


@lru_cache(maxsize=64)
def _parameters(
    sizes: tuple[Any, ...],
    columns: tuple[Column, ...],
    inputs: tuple[tuple[str, int], ...],
    gates: tuple[Gate, ...],
    groups: tuple[LookupGroup, ...],
    table: Table | None,
) -> bytes:
    """A gate is a formula: it goes in as its value where the columns' values are their names' hashes."""
    values = {c.name: int.from_bytes(keccak(c.name.encode()), "big") % MODULUS for c in columns}
    formulas = [(g.degree, g.selector, g.value(values) % MODULUS) for g in gates]
    entries = [] if table is None else [keccak(f.astype(">i8").tobytes()).hex() for f in table.fields]
    parts = (sizes, columns, inputs, formulas, groups, entries)
    return keccak(repr(parts).encode() + powers_digest())

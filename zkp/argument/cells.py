"""The committed matrix: every private cell of a statement has a place in it, and linear claims speak of these.

Cells stand in rows of equal length, each with a commitment of its own. A block of cells (a column of the trace, a
lookup table's multiplicities, an input that the statement supplies) stands in one row, or begins a row if it is
longer than one.

Whatever the protocol comes to is linear in the cells; `combined` makes one claim of all, sum_j <row_j, w_j> = value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from zkp.algebra.field import MODULUS, powers
from zkp.algebra.vector import Vector
from zkp.argument.forms import Form, Powers


@dataclass(frozen=True)
class Block:
    """`used` cells from `place` in `row` on, and from the start of the rows that follow."""

    name: str
    row: int
    place: int
    used: int


@dataclass
class Layout:
    """Places blocks in rows of `length` cells. No row holds cells of two groups."""

    length: int
    blocks: dict[str, Block] = field(default_factory=dict)
    groups: dict[str, range] = field(default_factory=dict)
    rows: int = 0

    @classmethod
    def plan(cls, length: int, groups: Mapping[str, Sequence[tuple[str, int]]]) -> Layout:
        """From group -> [(name, cells)]: the longest block first, each in the first row of its group with room."""
        layout = cls(length)
        for group, entries in groups.items():
            free: list[int] = []  # cells left at the end of each of the group's rows
            for name, used in sorted(entries, key=lambda entry: -entry[1]):
                row = next((k for k, room in enumerate(free) if room >= used), len(free))
                if row == len(free):
                    rows = -(-used // length)
                    layout.blocks[name] = Block(name, layout.rows + row, 0, used)
                    free += [0] * (rows - 1) + [rows * length - used]
                else:
                    layout.blocks[name] = Block(name, layout.rows + row, length - free[row], used)
                    free[row] -= used
            layout.groups[group] = range(layout.rows, layout.rows + len(free))
            layout.rows += len(free)
        return layout

    def cells(self, name: str) -> slice:
        """The block's cells among all cells, numbered row after row."""
        block = self.blocks[name]
        first = block.row * self.length + block.place
        return slice(first, first + block.used)


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
        """The weight of every cell of the matrix."""
        out = Vector.zeros(layout.rows * layout.length)
        for term in self.terms:
            first = layout.cells(term.block).start
            cells, weights = term.form.weights()
            if len(cells):
                out.add_at(cells + first, weights * term.coefficient)
        return out

    def at(self, layout: Layout, rho: Powers) -> dict[int, int]:
        """For each row with a weight w: sum_i w_i rho^i."""
        scales: dict[tuple[int, int, int, int], int] = {}  # of each piece of a form in each row
        forms = {id(term.form): term.form for term in self.terms}
        for term in self.terms:
            block = layout.blocks[term.block]
            for first in range(0, block.used, layout.length):
                stop, row = min(first + layout.length, block.used), block.row + first // layout.length
                scale = term.coefficient * rho.power(block.place) % MODULUS
                piece = id(term.form), first, stop, row
                scales[piece] = scales[piece] + scale if piece in scales else scale
        values: dict[tuple[int, int, int], int] = {}
        out: dict[int, int] = {}
        for (form, first, stop, row), scale in scales.items():
            piece_of = form, first, stop
            if piece_of not in values:
                values[piece_of] = forms[form].at(rho, first, stop)
            value = scale * values[piece_of] % MODULUS
            out[row] = (out[row] + value) % MODULUS if row in out else value
        return out


Claim = tuple[Linear, int]
"""The linear function of the cells has this value."""


def combined(claims: Sequence[Claim], theta: int) -> Claim:
    """sum_k theta^k claim_k, the constants moved to the right."""
    terms: list[Term] = []
    value = 0
    for scale, (linear, claimed) in zip(powers(theta, len(claims)), claims, strict=True):
        scaled = linear.times(scale)
        terms += scaled.terms
        value += scale * claimed - scaled.constant
    return Linear(tuple(terms)), value % MODULUS

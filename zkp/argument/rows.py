"""Step 1, commitments: every row of cells as a blinded multi-scalar multiplication.

C_j = f_j(tau) G + b_j H for the polynomial f_j whose coefficients are the row's cells and a fresh random b_j. Rows of
the trace, of lookup multiplicities and of pads come first; those of the lookups' helpers after the lookups'
challenges.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zkp.algebra.curve import Point
from zkp.algebra.srs import ROW, Setup
from zkp.algebra.vector import RandomScalars, Vector, concatenate
from zkp.argument.cells import Layout
from zkp.argument.relation import PADS, Column, Relation, Witness
from zkp.argument.tables import block_of, multiplicities
from zkp.argument.transcript import ProverChannel, VerifierChannel

Committed = dict[int, Point]
"""The commitments of rows, by row."""


@dataclass(repr=False)
class Matrix:
    """The prover's cells and blindings."""

    layout: Layout
    random: RandomScalars
    cells: Vector = field(init=False)
    blindings: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = Vector.zeros(self.layout.rows * self.layout.length)

    def put(self, name: str, values: Vector) -> None:
        """A block's cells; the rest of the block stays zero."""
        first = self.layout.cells(name).start
        self.cells[first : first + len(values)] = values

    def block(self, name: str) -> Vector:
        return self.cells[self.layout.cells(name)]

    def rows(self) -> list[Vector]:
        length = self.layout.length
        return [self.cells[k * length : (k + 1) * length] for k in range(self.layout.rows)]

    def fill(self, relation: Relation, witness: Witness) -> None:
        """Columns of the witness, inputs, multiplicities, and pads, which are drawn here. Raises WitnessError."""
        for column in relation.columns:
            if not column.block:
                self.put(column.name, Vector.from_array(witness.columns[column.name]))
        for given in relation.inputs:
            block = self.layout.blocks[given.name]
            for k, row in enumerate(witness.inputs[given.name]):
                if row is not None:
                    first = (block.row + k) * self.layout.length
                    self.cells[first : first + len(row[0])] = row[0]
                    self.blindings[block.row + k] = row[1]
        self.put(PADS, Vector.from_ints(self.random(relation.pads.size)))
        if relation.table is not None:
            most = {name: values[: relation.grid - 1] for name, values in witness.columns.items()}
            counts = multiplicities(relation.table, relation.groups, most)
            for tag in relation.table.tags:
                self.put(block_of(tag), Vector.from_array(counts[relation.table.entries(tag)]))

    def pads(self) -> Vector:
        return self.block(PADS)

    def column(self, column: Column) -> Vector:
        """Its values, without the zeros below them."""
        return self.block(column.cells)[column.first : column.first + column.used]

    def commit(self, group: str, channel: ProverChannel, setup: Setup) -> None:
        rows = self.layout.groups[group]
        bases = [*setup.powers(ROW)[: self.layout.length], setup.blinder]
        blindings = self.random(len(rows))
        self.blindings.update(zip(rows, blindings, strict=True))
        cells = self.rows()
        contents = [concatenate([cells[r], Vector.from_ints([b])]) for r, b in zip(rows, blindings, strict=True)]
        channel.send_points(f"rows/{group}", setup.curve.msm_many([(bases, row) for row in contents]))


def receive(channel: VerifierChannel, relation: Relation, group: str) -> Committed:
    """The commitments of a group's rows, by row."""
    rows = relation.layout.groups[group]
    return dict(zip(rows, channel.receive_points(f"rows/{group}", len(rows)), strict=True))


def given(relation: Relation) -> Committed:
    """The commitments that the statement brings along, by row."""
    blocks = relation.layout.blocks
    return {
        blocks[i.name].row + k: point
        for i in relation.inputs
        for k, point in enumerate(i.commitments)
        if point is not None
    }

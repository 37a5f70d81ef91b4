"""What the contract that checks inference proofs is asked with: where its parts begin, and those of a statement.

    household (20 bytes) | day (4) | round (4) | rows (48 each) | features (8 each) | proof | ordinates (48 each)

Rows are those of the model's weights, layers before the head, those of the personal head if the form has one, the
window's commitment and the forecast's. Features are the public ones, steps before exogenous values, signed and
big-endian, as the statement hashes them. Ordinates are y of each point of the equation's left side, in its order.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkp.algebra.commitment import RING_DAYS
from zkp.algebra.curve import G1_BYTES, IDENTITY
from zkp.batch.programs import Form, inference_program
from zkp.batch.recording import Program, SentPoint, SuppliedPoint
from zkp.evm import points
from zkp.lstm.grid import Grid
from zkp.lstm.integer_model import Shape
from zkp.lstm.weights import row_count
from zkp.statements import inference
from zkp.statements.context import COMMUNITY_BYTES, CONTEXT_BYTES
from zkp.statements.inference import Statement

WHO = CONTEXT_BYTES - COMMUNITY_BYTES
"""Bytes of household, day and round."""
HOUSEHOLD, DAY_BYTES, FEATURE, LENGTH = 20, 4, 8, 4
_HASH = 32


def form_of(shape: Shape, *, personal: bool) -> Form:
    """Of the statements of one day that a contract serves; every row is there, be it one of zeros."""
    grid = Grid(shape, 1, personal)
    rows = [row_count(cells) for _, cells in inference.input_cells(grid)]
    own = G1_BYTES * row_count(grid.head_cells) if personal else 0
    return Form(grid, sum(LENGTH + size for size in _part_sizes(own).values()), tuple((True,) * n for n in rows))


def _part_sizes(personal: int) -> dict[str, int]:
    """Of the parts of a statement's bytes (`Statement.encode`), in their order."""
    return {
        "context": CONTEXT_BYTES, "digest": _HASH, "day": DAY_BYTES, "window": G1_BYTES, "features": _HASH,
        "forecast": G1_BYTES, "personal": personal,
    }  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """Where the parts of the input begin, and of the statement's bytes."""

    form: Form
    program: Program

    @classmethod
    def of(cls, shape: Shape, *, personal: bool) -> Layout:
        form = form_of(shape, personal=personal)
        return cls(form, inference_program(form))

    def __post_init__(self) -> None:
        if not self.features:
            raise ValueError("a model without public features has no contract")

    @property
    def rows(self) -> list[int]:
        """Rows of each input."""
        return [len(rows) for rows in self.form.rows]

    @property
    def model_rows(self) -> int:
        return sum(self.rows[: self.form.grid.shape.layers + 1])

    @property
    def features(self) -> int:
        """Public features of the day."""
        return len(self.program.publics) - RING_DAYS

    @property
    def at_features(self) -> int:
        return WHO + G1_BYTES * sum(self.rows)

    @property
    def at_proof(self) -> int:
        return self.at_features + FEATURE * self.features

    @property
    def at_ordinates(self) -> int:
        return self.at_proof + len(inference.HEADER) + self.program.proof_bytes

    @property
    def size(self) -> int:
        return self.at_ordinates + G1_BYTES * len(self.program.left.slots)

    def row(self, number: int) -> int:
        return WHO + G1_BYTES * number

    def compressed(self, slot: SentPoint | SuppliedPoint) -> int:
        """Where a point of the left side stands."""
        if isinstance(slot, SuppliedPoint):
            return self.row(slot.number)
        return self.at_proof + len(inference.HEADER) + slot.first - self.program.statement_bytes

    @property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Place and length of each part of the statement's bytes."""
        out, place = {}, 0
        for name, size in _part_sizes(G1_BYTES * (sum(self.rows) - self.model_rows - 2)).items():
            out[name] = place + LENGTH, size
            place += LENGTH + size
        return out


def encoded(layout: Layout, statement: Statement, proof: bytes) -> bytes:
    """The input. Raises MalformedProof for a point that is none."""
    context, weights = statement.context, statement.weights
    rows = [r for block in (*weights.layers, weights.head, statement.personal or ()) for r in block]
    features = statement.steps.astype(">i8").tobytes() + statement.exogenous.astype(">i8").tobytes()
    day, number = (n.to_bytes(DAY_BYTES, "big") for n in (context.day, context.round))
    data = context.household + day + number
    data += b"".join((*rows, *statement.windows, *statement.forecasts)) + features + proof
    return data + ordinates(layout, data)


def ordinates(layout: Layout, data: bytes) -> bytes:
    """y of the left side's points; zeros for a row of zeros."""
    found = []
    for slot in layout.program.left.slots:
        place = layout.compressed(slot)
        point = data[place : place + G1_BYTES]
        found.append(bytes(G1_BYTES) if point == IDENTITY else points.ordinate(point))
    return b"".join(found)

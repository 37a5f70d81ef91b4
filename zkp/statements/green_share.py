"""Statement 3, green share: the day's load, weighted by a public weight for each hour, reaches a claimed share.

    100 * sum_h w_h a_h  >=  tier * W * sum_h a_h        with W the largest weight, w_h from 0 to W = 255

The weights are the community's: its solar surplus, or how little carbon the grid's power carries. Linear, but for the
range of the slack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, RING_SLOTS, ring_slots
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import DenseForm, run_of
from zkp.argument.relation import Column, CommittedInput, Relation, Witness
from zkp.errors import InvalidStatement
from zkp.statements import formats
from zkp.statements.context import Context

HEADER = b"WPG\x04"
MAX_WEIGHT = 255
SLACK_BITS = 40
_GRID_BITS = 6
_ROW = 256
_GATES = (boolean("bits"),)


@dataclass(frozen=True)
class Statement:
    """At least `tier` percent of the load of context.day, by weight, is green."""

    context: Context
    actual: bytes
    weights: tuple[int, ...]
    tier: int

    def __post_init__(self) -> None:
        if len(self.weights) != DAY_HOURS or any(not 0 <= w <= MAX_WEIGHT for w in self.weights):
            raise InvalidStatement(f"green share takes {DAY_HOURS} weights from 0 to {MAX_WEIGHT}")
        if not 0 <= self.tier <= 100:
            raise InvalidStatement(f"a tier is a percentage from 0 to 100, not {self.tier}")

    def encode(self) -> bytes:
        return self.context.encode() + bytes([self.tier, *self.weights]) + self.actual

    def coefficient(self, hour: int) -> int:
        """Of a reading in the slack."""
        return 100 * self.weights[hour] - self.tier * MAX_WEIGHT


def relation(statement: Statement, setup: Setup) -> Relation:
    coefficients = tuple(statement.coefficient(hour) for hour in range(DAY_HOURS))
    first = ring_slots(statement.context.day).start
    slack = (Term("actual", 1, DenseForm(coefficients, first)), Term("bits", -1, run_of(0, SLACK_BITS, 2)))
    return Relation(
        protocol="green share",
        header=HEADER,
        statement=statement.encode(),
        grid_bits=_GRID_BITS,
        columns=(Column("bits", SLACK_BITS),),
        inputs=(CommittedInput("actual", RING_SLOTS, (setup.curve.decode(statement.actual),)),),
        gates=_GATES,
        constraints=lambda draw: [Linear(slack)],
        length=_ROW,
    )


def prove(
    statement: Statement,
    readings: Sequence[int],
    blinding: int,
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove the share from the day's 24 readings (Wh). Raises WitnessError when it is not reached."""
    setup = load_setup(backend)
    slack = sum(statement.coefficient(h) * v for h, v in enumerate(readings))
    ring = np.zeros(RING_SLOTS, dtype=np.int64)
    ring[list(ring_slots(statement.context.day))] = readings
    witness = Witness({"bits": decompose([slack], SLACK_BITS)}, {"actual": [(Vector.from_array(ring), blinding)]})
    return HEADER + protocol.prove(relation(statement, setup), witness, setup, random)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    protocol.accept(protocol.verify(relation(statement, setup), body(proof), setup), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "green share")

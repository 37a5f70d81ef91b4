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
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import relation as argument
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear
from zkp.argument.constraints import Relations
from zkp.argument.lookup import Selector
from zkp.argument.relation import Column, Relation, Supplied, Witness
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.statements.context import Context

HEADER = b"WPG\x02"
MAX_WEIGHT = 255
SLACK_BITS = 40
GRID_BITS = 6


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


def _links(statement: Statement, base: int) -> Linear:
    relations = Relations()
    readings = [("actual", s, statement.coefficient(h)) for h, s in enumerate(ring_slots(statement.context.day))]
    relations.add([*readings, *(("bits", k, -(1 << k)) for k in range(SLACK_BITS))])
    return relations.combine(base)


def relation(statement: Statement, setup: Setup) -> Relation:
    return Relation(
        protocol="green share",
        statement=statement.encode(),
        grid_bits=GRID_BITS,
        columns=(Column("bits", SLACK_BITS),),
        supplied=(Supplied("actual", ROW, RING_SLOTS, (setup.curve.decode(statement.actual),)),),
        gates=(boolean("bits", Selector(0, SLACK_BITS)),),
        table=None,
        groups=(),
        products=lambda draw: [],
        products_count=0,
        product_bits=0,
        links=lambda draw: [_links(statement, draw())],
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
    witness = Witness(
        {"bits": decompose([slack], SLACK_BITS)},
        {"actual": [(Vector.from_array(ring), blinding)]},
        lambda draw: [],
    )
    return HEADER + argument.prove(relation(statement, setup), witness, setup, random)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    if proof[: len(HEADER)] != HEADER:
        raise MalformedProof("these bytes do not begin like a green-share proof of a known version")
    setup = load_setup(backend)
    result = argument.verify(relation(statement, setup), proof[len(HEADER) :], setup)
    if not argument.settle([result], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")

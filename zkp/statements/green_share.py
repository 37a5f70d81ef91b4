"""Statement 3, green share: the day's load, weighted by a public weight for each hour, reaches a claimed share.

    100 * sum_h w_h a_h  >=  tier * W * sum_h a_h        with W the largest weight, w_h from 0 to W = 255

The weights are the community's: its solar surplus, or how little carbon the grid's power carries. Linear, but for the
range of the slack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, RING_DAYS, RING_SLOTS, ring_slots
from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import RepeatedForm, run_of
from zkp.argument.relation import Column, CommittedInput, Relation, Witness
from zkp.errors import InvalidStatement
from zkp.statements import formats
from zkp.statements.context import CONTEXT_BYTES, Context

HEADER = b"WPG\x04"
MAX_WEIGHT = 255
SLACK_BITS = 40
STATEMENT_BYTES = CONTEXT_BYTES + 1 + DAY_HOURS + G1_BYTES
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


@dataclass(frozen=True)
class Publics:
    """What of the statement enters the relation as numbers: tier, weights, and the day modulo 7, one-hot. Everything
    else of a statement is only hashed, so that one relation (one program) serves them all."""

    tier: int
    weights: tuple[int, ...]
    rotation: tuple[int, ...]

    @classmethod
    def of(cls, statement: Statement) -> Publics:
        today = statement.context.day % RING_DAYS
        return cls(statement.tier, statement.weights, tuple(int(day == today) for day in range(RING_DAYS)))

    @property
    def numbers(self) -> list[int]:
        """In the order in which a recorded verifier takes them."""
        return [self.tier, *self.weights, *self.rotation]


def relation(statement: Statement, setup: Setup) -> Relation:
    return relation_of(statement.encode(), setup.curve.decode(statement.actual), Publics.of(statement))


def relation_of(statement: bytes, actual: Point, publics: Publics) -> Relation:
    coefficients = tuple(100 * weight - publics.tier * MAX_WEIGHT for weight in publics.weights)
    slack = (
        Term("actual", 1, RepeatedForm(coefficients, publics.rotation)),
        Term("bits", -1, run_of(0, SLACK_BITS, 2)),
    )
    return Relation(
        protocol="green share",
        header=HEADER,
        statement=statement,
        grid_bits=_GRID_BITS,
        columns=(Column("bits", SLACK_BITS),),
        inputs=(CommittedInput("actual", RING_SLOTS, (actual,)),),
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

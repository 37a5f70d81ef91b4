"""Statement 5, shared energy in proportion: a member's share of a period, from the days that its meter signed.

    sum_d sum_h c_dh a_dh  =  2^32 share + rest,     0 <= rest < 2^32

with a public coefficient c from 0 to 2^32 for each hour (a fixed-point number from 0 to 1, rounded down): the share
is the weighted sum of the readings, rounded down once, to a whole watt-hour. The rest has 32 bits and is not opened:
with it, each share would tell a combination of readings to the last digit.

The coefficients are the community's: shared energy over what all took, or fed in (`api.protocol.shared_energy`).
Linear, but for the range of the rest. Nothing wraps: 366 days of readings below 2^17 come to less than 2^63.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import RandomScalars, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import run_of
from zkp.argument.relation import Column, Relation, Witness
from zkp.statements import formats
from zkp.statements.period import PeriodStatement

HEADER = b"WPE\x04"
FRACTION_BITS = 32
ONE = 1 << FRACTION_BITS
"""The coefficient of a reading that counts in full."""
_GRID_BITS = 6
_ROW = 256
_GATES = (boolean("bits"),)


@dataclass(frozen=True)
class Statement(PeriodStatement):
    """The share is the sum of readings times `numbers` / 2^32, rounded down."""

    most = ONE


def share_of(coefficients: Sequence[Sequence[int]], readings: Sequence[Sequence[int]]) -> int:
    """The share (Wh) that can be proven of these readings (Wh): 24 coefficients and readings for each day."""
    return weighted_sum(coefficients, readings) >> FRACTION_BITS


def weighted_sum(coefficients: Sequence[Sequence[int]], readings: Sequence[Sequence[int]]) -> int:
    pairs = zip(coefficients, readings, strict=True)
    return sum(c * int(v) for day in pairs for c, v in zip(*day, strict=True))


def relation(statement: Statement, setup: Setup) -> Relation:
    share = Linear(
        (*statement.weighted(statement.numbers), Term("bits", -1, run_of(0, FRACTION_BITS, 2))),
        -(statement.share << FRACTION_BITS),
    )
    return Relation(
        protocol="shared energy",
        header=HEADER,
        statement=statement.encode(),
        grid_bits=_GRID_BITS,
        columns=(Column("bits", FRACTION_BITS),),
        inputs=statement.inputs(setup),
        gates=_GATES,
        constraints=lambda draw: [share],
        length=_ROW,
    )


def prove(
    statement: Statement,
    readings: Sequence[Sequence[int]],
    blindings: Sequence[int],
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove the share from each day's 24 readings (Wh) and blinding. Raises WitnessError when it is another."""
    setup = load_setup(backend)
    rest = weighted_sum(statement.numbers, readings) - (statement.share << FRACTION_BITS)
    witness = Witness({"bits": decompose([rest], FRACTION_BITS)}, statement.openings(readings, blindings))
    return HEADER + protocol.prove(relation(statement, setup), witness, setup, random)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    protocol.accept(protocol.verify(relation(statement, setup), body(proof), setup), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "shared energy")

"""Statement 2, skill: a committed forecast beat the seasonal-naive one by a claimed share.

With y the forecast's typical hours, a the day's readings and n those of the same hours a week before:

    100 * sum_h |y_h - a_h|  <=  (100 - tier) * sum_h |n_h - a_h|

Public: who and when, the three commitments, the tier in percent. Small on purpose: a contract verifies it.

The day and the tier enter the relation as numbers (`Publics`), so that one recorded verifier serves every statement.

Cells: y_h - a_h = plus_h - minus_h with both sides in bits, so that y_h is a whole number and plus_h + minus_h at
least |y_h - a_h|; naive errors f_h = (1 - 2 s_h) (n_h - a_h) with a bit s_h, so that f_h is at most |n_h - a_h|; the
slack of the inequality in bits. An honest prover has equality everywhere, and so reaches the best tier there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, FORECAST_VALUES, RING_DAYS, RING_SLOTS, ring_slots
from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.field import power
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import Ints, RandomScalars, Vector, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import PowerAxis, TensorForm, run_of
from zkp.argument.protocol import Leftover
from zkp.argument.relation import Column, CommittedInput, Gate, Relation, Witness
from zkp.errors import InvalidProof, InvalidStatement
from zkp.statements import formats
from zkp.statements.context import CONTEXT_BYTES, Context

HEADER = b"WPS\x04"
"""First bytes of every skill proof: kind and format version."""

STATEMENT_BYTES = CONTEXT_BYTES + 1 + 3 * G1_BYTES
SEASON_DAYS = 7
ERROR_BITS = 18
"""Width of an error: readings have 17 bits; a forecast beyond them by more cannot be scored."""
SLACK_BITS = 30
_GRID_BITS = 10
_ROW = 1024
_SIDES = 2 * DAY_HOURS  # plus of every hour, then minus
_SLACK = _SIDES * ERROR_BITS
_BITS = _SLACK + SLACK_BITS


@dataclass(frozen=True)
class Statement:
    """The forecast for context.day beats the naive one by `tier` percent (0 to 100)."""

    context: Context
    forecast: bytes
    actual: bytes  # the meter's commitment of context.day
    naive: bytes  # the meter's commitment of context.day - 7
    tier: int

    def __post_init__(self) -> None:
        if not 0 <= self.tier <= 100:
            raise InvalidStatement(f"a tier is a percentage from 0 to 100, not {self.tier}")

    def encode(self) -> bytes:
        return self.context.encode() + bytes([self.tier]) + self.forecast + self.actual + self.naive


@dataclass(frozen=True, repr=False)
class Secrets:
    """Values (Wh; 48 of the forecast, 24 of each day) and blindings of the three commitments."""

    forecast: Sequence[int]
    actual: Sequence[int]
    naive: Sequence[int]
    forecast_blinding: int
    actual_blinding: int
    naive_blinding: int


def best_tier(secrets: Secrets) -> int:
    """The highest tier that can be proven, in percent; -1 when the forecast is worse than the naive one."""
    typical = secrets.forecast[:DAY_HOURS]
    error = sum(abs(y - a) for y, a in zip(typical, secrets.actual, strict=True))
    naive = sum(abs(n - a) for n, a in zip(secrets.naive, secrets.actual, strict=True))
    if error > naive:
        return -1
    return 100 if error == 0 else 100 - -(-100 * error // naive)


@dataclass(frozen=True)
class Publics:
    """What of the statement enters the relation as numbers: `share` = 100 - tier, and `rotation`, one-hot: the day
    modulo 7. Everything else of a statement is only hashed, so that one relation (one program) serves them all."""

    share: int
    rotation: tuple[int, ...]

    @classmethod
    def of(cls, statement: Statement) -> Publics:
        today = statement.context.day % RING_DAYS
        return cls(100 - statement.tier, tuple(int(day == today) for day in range(RING_DAYS)))

    @property
    def numbers(self) -> list[int]:
        """In the order in which a recorded verifier takes them."""
        return [self.share, *self.rotation]


def relation(statement: Statement, setup: Setup) -> Relation:
    decode = setup.curve.decode
    points = decode(statement.forecast), decode(statement.actual), decode(statement.naive)
    return relation_of(statement.encode(), points, Publics.of(statement))


def _signed(c: Any) -> Any:
    """f = (1 - 2 s) d, hour by hour."""
    return c["f"] - c["d"] + c["s"] * c["d"] * 2


_GATES = (boolean("bits"), boolean("s"), Gate(2, _signed))


def relation_of(statement: bytes, points: tuple[Point, Point, Point], publics: Publics) -> Relation:
    forecast, actual, naive = points
    return Relation(
        protocol="skill",
        header=HEADER,
        statement=statement,
        grid_bits=_GRID_BITS,
        columns=(Column("bits", _BITS), Column("d", DAY_HOURS), Column("s", DAY_HOURS), Column("f", DAY_HOURS)),
        inputs=(
            CommittedInput("forecast", FORECAST_VALUES, (forecast,)),
            CommittedInput("actual", RING_SLOTS, (actual,)),
            CommittedInput("naive", RING_SLOTS, (naive,)),
        ),
        gates=_GATES,
        constraints=lambda draw: [_constraints(publics, draw())],
        length=_ROW,
    )


def _constraints(publics: Publics, base: int) -> Linear:
    """Errors, naive errors, and the inequality, weighted by powers of a challenge."""
    half = DAY_HOURS * ERROR_BITS
    number = PowerAxis(1, ERROR_BITS, 2)
    sides = PowerAxis(ERROR_BITS, DAY_HOURS, base)
    second, last = power(base, DAY_HOURS), power(base, 2 * DAY_HOURS)
    terms = [
        # y - a = plus - minus
        Term("forecast", 1, run_of(0, DAY_HOURS, base)),
        *_of_day("actual", publics, base, -1),
        Term("bits", -1, TensorForm((sides, number))),
        Term("bits", 1, TensorForm((sides, number), half)),
        # d = n - a
        Term("d", second, run_of(0, DAY_HOURS, base)),
        *_of_day("naive", publics, base, -second),
        *_of_day("actual", publics, base, second),
        # (100 - tier) sum f - 100 sum (plus + minus) = slack
        Term("f", publics.share * last, run_of(0, DAY_HOURS)),
        Term("bits", -100 * last, TensorForm((PowerAxis(ERROR_BITS, _SIDES), number))),
        Term("bits", -last, run_of(_SLACK, SLACK_BITS, 2)),
    ]
    return Linear(tuple(terms))


def _of_day(block: str, publics: Publics, base: int, scale: int) -> list[Term]:
    """scale * base^h for the slot of hour h."""
    return [
        Term(block, chosen * scale, run_of(DAY_HOURS * day, DAY_HOURS, base))
        for day, chosen in enumerate(publics.rotation)
    ]


def _witness(statement: Statement, secrets: Secrets) -> Witness:
    forecast, actual, naive = (
        np.array(values, dtype=np.int64) for values in (secrets.forecast, secrets.actual, secrets.naive)
    )
    errors, difference = forecast[:DAY_HOURS] - actual, naive - actual
    slack = (100 - statement.tier) * np.abs(difference).sum() - 100 * np.abs(errors).sum()
    sides = np.concatenate([np.maximum(errors, 0), np.maximum(-errors, 0)])
    columns = {
        "bits": np.concatenate([decompose(sides.tolist(), ERROR_BITS), decompose([int(slack)], SLACK_BITS)]),
        "d": difference,
        "s": (difference < 0).astype(np.int64),
        "f": np.abs(difference),
    }

    def ring(values: Ints) -> Vector:
        out = np.zeros(RING_SLOTS, dtype=np.int64)
        out[list(ring_slots(statement.context.day))] = values
        return Vector.from_array(out)

    inputs: dict[str, Sequence[tuple[Vector, int] | None]] = {
        "forecast": [(Vector.from_array(forecast), secrets.forecast_blinding)],
        "actual": [(ring(actual), secrets.actual_blinding)],
        "naive": [(ring(naive), secrets.naive_blinding)],
    }
    return Witness(columns, inputs)


def prove(
    statement: Statement, secrets: Secrets, *, backend: str = "", random: RandomScalars = fresh_scalars
) -> bytes:
    """Prove the tier. Raises WitnessError when it is not reached (or a forecast is off by more than 131 kWh)."""
    setup = load_setup(backend)
    return HEADER + protocol.prove(relation(statement, setup), _witness(statement, secrets), setup, random)


def check(statement: Statement, proof: bytes, setup: Setup) -> Leftover:
    return protocol.verify(relation(statement, setup), body(proof), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "skill")


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    if not protocol.settle([check(statement, proof, setup)], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")

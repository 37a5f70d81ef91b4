"""Statement 2, skill: a committed forecast beat the seasonal-naive one by a claimed share.

With y the forecast, a the day's readings and n those of the same hours a week before:

    100 * sum_h |y_h - a_h|  <=  (100 - tier) * sum_h |n_h - a_h|

Public: who and when, the three commitments, the tier in percent. Small on purpose: a contract verifies it.

The day and the tier enter the relation as numbers (`Publics`), so that one recorded verifier serves every statement.

Cells: errors e_h >= |y_h - a_h| by two range checks, e_h - (y_h - a_h) >= 0 and e_h + (y_h - a_h) >= 0; naive errors
f_h = s_h (n_h - a_h) with a sign s_h = 1 - 2 b_h, so that f_h <= |n_h - a_h|; the slack of the inequality, by range.
An honest prover takes e_h = |y_h - a_h| and f_h = |n_h - a_h|, and so reaches the best tier there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, RING_DAYS, RING_SLOTS, ring_slots
from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.group import GroupEquation
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import relation as argument
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import ChosenForm, Linear, NumberForm, Term
from zkp.argument.constraints import Cell, Relations
from zkp.argument.lookup import Selector
from zkp.argument.relation import Column, Gate, Relation, Supplied, Witness
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.statements.context import CONTEXT_BYTES, Context

HEADER = b"WPS\x02"
"""First bytes of every skill proof: kind and format version."""

STATEMENT_BYTES = CONTEXT_BYTES + 1 + 3 * G1_BYTES
SEASON_DAYS = 7
RANGE_BITS = 18
"""Width of e -+ (y - a): readings have 17 bits; a forecast beyond them by more cannot be scored."""
SLACK_BITS = 30
GRID_BITS = 10
_PAIRS = 2 * DAY_HOURS  # range-checked sums, two for each hour
_SIGNS = _PAIRS * RANGE_BITS
_SLACK = _SIGNS + DAY_HOURS
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
    """Values (24 each, Wh) and blindings of the three commitments."""

    forecast: Sequence[int]
    actual: Sequence[int]
    naive: Sequence[int]
    forecast_blinding: int
    actual_blinding: int
    naive_blinding: int


def best_tier(secrets: Secrets) -> int:
    """The highest tier that can be proven, in percent; -1 when the forecast is worse than the naive one."""
    error = sum(abs(y - a) for y, a in zip(secrets.forecast, secrets.actual, strict=True))
    naive = sum(abs(n - a) for n, a in zip(secrets.naive, secrets.actual, strict=True))
    if error > naive:
        return -1
    return 100 if error == 0 else 100 - -(-100 * error // naive)


def _product_gate() -> Gate:
    """f = (1 - 2 sign) * difference, hour by hour."""
    return Gate(Selector(0, DAY_HOURS), 2, lambda c: c["f"] - c["d"] + c["s"] * c["d"] * 2)


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
        """In the order in which `program` takes them."""
        return [self.share, *self.rotation]


def relation(statement: Statement, setup: Setup) -> Relation:
    decode = setup.curve.decode
    points = decode(statement.forecast), decode(statement.actual), decode(statement.naive)
    return relation_of(statement.encode(), points, Publics.of(statement))


def relation_of(statement: bytes, points: tuple[Point, Point, Point], publics: Publics) -> Relation:
    forecast, actual, naive = points
    return Relation(
        protocol="skill",
        statement=statement,
        grid_bits=GRID_BITS,
        columns=(Column("bits", _BITS), Column("d", DAY_HOURS), Column("s", DAY_HOURS), Column("f", DAY_HOURS)),
        supplied=(
            Supplied("forecast", ROW, DAY_HOURS, (forecast,)),
            Supplied("actual", ROW, RING_SLOTS, (actual,)),
            Supplied("naive", ROW, RING_SLOTS, (naive,)),
        ),
        gates=(boolean("bits", Selector(0, _BITS)), _product_gate()),
        table=None,
        groups=(),
        products=lambda draw: [],
        products_count=0,
        product_bits=0,
        links=lambda draw: [_links(publics, draw())],
    )


# Cells of the links stand in blocks of their own first, so that neither day nor tier decides which cells they are.
_SUMS, _SIGN_BITS, _SLACK_NUMBER = "sums", "signs", "slack"
_GAIN, _ACTUAL_DAY, _NAIVE_DAY = "gain", "actual day", "naive day"
_NUMBERS = {_SUMS: (0, RANGE_BITS), _SIGN_BITS: (_SIGNS, 1), _SLACK_NUMBER: (_SLACK, SLACK_BITS)}
_DAYS = {_ACTUAL_DAY: "actual", _NAIVE_DAY: "naive"}


def _links(publics: Publics, base: int) -> Linear:
    relations = Relations()
    total: list[Cell] = [(_SLACK_NUMBER, 0, -1)]
    for hour in range(DAY_HOURS):
        low, high = 2 * hour, 2 * hour + 1
        # high - low = 2 (y - a), and low + high = 2 e
        relations.add([(_SUMS, high, 1), (_SUMS, low, -1), ("forecast", hour, -2), (_ACTUAL_DAY, hour, 2)])
        relations.add([("d", hour, 1), (_NAIVE_DAY, hour, -1), (_ACTUAL_DAY, hour, 1)])
        relations.add([("s", hour, 1), (_SIGN_BITS, hour, -1)])
        total += [(_GAIN, hour, 1), (_SUMS, low, -50), (_SUMS, high, -50)]
    relations.add(total)  # (100 - tier) sum f - 100 sum e - slack = 0
    combined = relations.combine(base)
    return Linear(tuple(_placed(term, publics) for term in combined.terms), combined.constant)


def _placed(term: Term, publics: Publics) -> Term:
    """A term of the links, on the cells of the matrix."""
    if term.block in _NUMBERS:
        return Term("bits", 1, NumberForm(*_NUMBERS[term.block], term.form.dense()))
    if term.block in _DAYS:
        return Term(_DAYS[term.block], 1, ChosenForm(publics.rotation, term.form.dense()))
    return Term("f", publics.share, term.form) if term.block == _GAIN else term


def _witness(statement: Statement, secrets: Secrets) -> Witness:
    actual = list(secrets.actual)
    errors = [y - a for y, a in zip(secrets.forecast, actual, strict=True)]
    difference = [n - a for n, a in zip(secrets.naive, actual, strict=True)]
    pairs = [v for e in errors for v in (abs(e) - e, abs(e) + e)]
    signs = [int(d < 0) for d in difference]
    slack = (100 - statement.tier) * sum(map(abs, difference)) - 100 * sum(map(abs, errors))
    bits = np.concatenate(
        [decompose(pairs, RANGE_BITS), np.array(signs, dtype=np.int64), decompose([slack], SLACK_BITS)]
    )
    columns = {
        "bits": bits,
        "d": np.array(difference, dtype=np.int64),
        "s": np.array(signs, dtype=np.int64),
        "f": np.abs(np.array(difference, dtype=np.int64)),
    }

    def ring(values: Sequence[int]) -> Vector:
        out = np.zeros(RING_SLOTS, dtype=np.int64)
        out[list(ring_slots(statement.context.day))] = values
        return Vector.from_array(out)

    supplied: dict[str, Sequence[tuple[Vector, int] | None]] = {
        "forecast": [(Vector.from_array(np.array(secrets.forecast, dtype=np.int64)), secrets.forecast_blinding)],
        "actual": [(ring(actual), secrets.actual_blinding)],
        "naive": [(ring(secrets.naive), secrets.naive_blinding)],
    }
    return Witness(columns, supplied, lambda draw: [])


def prove(
    statement: Statement, secrets: Secrets, *, backend: str = "", random: RandomScalars = fresh_scalars
) -> bytes:
    """Prove the tier. Raises WitnessError when it is not reached (or a forecast is off by more than 131 kWh)."""
    setup = load_setup(backend)
    return HEADER + argument.prove(relation(statement, setup), _witness(statement, secrets), setup, random)


def check(statement: Statement, proof: bytes, setup: Setup) -> tuple[GroupEquation, int]:
    if proof[: len(HEADER)] != HEADER:
        raise MalformedProof("these bytes do not begin like a skill proof of a known version")
    return argument.verify(relation(statement, setup), proof[len(HEADER) :], setup)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    if not argument.settle([check(statement, proof, setup)], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")

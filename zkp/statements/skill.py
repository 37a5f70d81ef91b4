"""Statement 2, skill: a committed forecast beat the seasonal-naive one by a claimed share.

With y the forecast, a the day's readings and n those of the same hours a week before:

    100 * sum_h |y_h - a_h|  <=  (100 - tier) * sum_h |n_h - a_h|

Public: who and when, the three commitments, the tier in percent. Small on purpose: a contract verifies it.

Cells: errors e_h >= |y_h - a_h| by two range checks, e_h - (y_h - a_h) >= 0 and e_h + (y_h - a_h) >= 0; naive errors
f_h = s_h (n_h - a_h) with a sign s_h = 1 - 2 b_h, so that f_h <= |n_h - a_h|; the slack of the inequality, by range.
An honest prover takes e_h = |y_h - a_h| and f_h = |n_h - a_h|, and so reaches the best tier there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zkp import argument
from zkp.argument import Column, Gate, Relation, Supplied, Witness
from zkp.bits import boolean, decompose
from zkp.commitment import DAY_HOURS, RING_SLOTS, ring_slots
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof
from zkp.group import GroupEquation
from zkp.lookup import Selector
from zkp.matrix import Linear
from zkp.relations import Relations
from zkp.setup import ROW, Setup, load_setup
from zkp.statements.context import Context
from zkp.vector import RandomScalars, Vector, fresh_scalars

HEADER = b"WPS\x02"
"""First bytes of every skill proof: kind and format version."""

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


def _relation(statement: Statement, setup: Setup) -> Relation:
    decode = setup.curve.decode
    return Relation(
        protocol="skill",
        statement=statement.encode(),
        grid_bits=GRID_BITS,
        columns=(Column("bits", _BITS), Column("d", DAY_HOURS), Column("s", DAY_HOURS), Column("f", DAY_HOURS)),
        supplied=(
            Supplied("forecast", ROW, DAY_HOURS, (decode(statement.forecast),)),
            Supplied("actual", ROW, RING_SLOTS, (decode(statement.actual),)),
            Supplied("naive", ROW, RING_SLOTS, (decode(statement.naive),)),
        ),
        gates=(boolean("bits", Selector(0, _BITS)), _product_gate()),
        table=None,
        groups=(),
        products=lambda draw: [],
        products_count=0,
        product_bits=0,
        links=lambda draw: [_links(statement, draw())],
    )


def _value(first: int, width: int, coefficient: int) -> list[tuple[str, int, int]]:
    """The number whose bits begin at cell `first`, times a coefficient."""
    return [("bits", first + k, coefficient << k) for k in range(width)]


def _links(statement: Statement, base: int) -> Linear:
    relations = Relations()
    slots = ring_slots(statement.context.day)
    total: list[tuple[str, int, int]] = _value(_SLACK, SLACK_BITS, -1)
    for hour, slot in enumerate(slots):
        low, high = (_value((2 * hour + k) * RANGE_BITS, RANGE_BITS, 1) for k in range(2))
        # high - low = 2 (y - a), and low + high = 2 e
        minus = [(b, c, -w) for b, c, w in low]
        relations.add([*high, *minus, ("forecast", hour, -2), ("actual", slot, 2)])
        relations.add([("d", hour, 1), ("naive", slot, -1), ("actual", slot, 1)])
        relations.add([("s", hour, 1), ("bits", _SIGNS + hour, -1)])
        total += [("f", hour, 100 - statement.tier)]
        total += [(b, c, -50 * w) for b, c, w in (*low, *high)]
    relations.add(total)  # (100 - tier) sum f - 100 sum e - slack = 0
    return relations.combine(base)


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
    return HEADER + argument.prove(_relation(statement, setup), _witness(statement, secrets), setup, random)


def _check(statement: Statement, proof: bytes, setup: Setup) -> tuple[GroupEquation, int]:
    if proof[: len(HEADER)] != HEADER:
        raise MalformedProof("these bytes do not begin like a skill proof of a known version")
    return argument.verify(_relation(statement, setup), proof[len(HEADER) :], setup)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    if not argument.settle([_check(statement, proof, setup)], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")

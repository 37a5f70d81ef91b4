"""Statement 2, skill: a committed forecast was nearer to the readings than every one of eight benchmarks, by so much.

With y the forecast's typical hours, a the day's readings, n^1 to n^7 those of the same hours on each of seven days,
7 to 13 days before, and n^8 their mean, for a claimed number of buckets of 100 Wh:

    100 * buckets   <=  sum_h |n^k_h - a_h| - sum_h |y_h - a_h|    for every k
    2000 * buckets  <=  sum_h a_h

The rule of payment is in `rewards.rule`. Public: who and when, the commitments, the number of buckets; so what is
seen of the home is about how many Wh its forecast avoided, in steps of 100, and that it used at least twenty times as
much. Small on purpose: a contract verifies it.

The day and the buckets enter the relation as numbers (`Publics`), so that one recorded verifier serves every
statement. The seven days' commitments enter as their sum: each has slots of the ring of its own.

Cells: y_h - a_h = plus_h - minus_h with both sides in bits, so that y_h is a whole number and plus_h + minus_h at
least |y_h - a_h|; errors of benchmarks f_h = (1 - 2 s_h) d_h with a bit s_h, so that f_h is at most |d_h|, where
d_h = n_h - a_h, and for the mean seven times that; the slack of each inequality in bits. An honest prover has
equality everywhere, and so reaches the most buckets there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, FORECAST_VALUES, RING_DAYS, RING_SLOTS, ring_slots
from zkp.algebra.curve import G1_BYTES, Point
from zkp.algebra.field import MODULUS, power
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import Ints, RandomScalars, Vector, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean, decompose
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import PowerAxis, TensorForm, run_of
from zkp.argument.protocol import Leftover
from zkp.argument.relation import Column, CommittedInput, Gate, Relation, Witness
from zkp.errors import InvalidStatement
from zkp.statements import buckets, formats
from zkp.statements.context import CONTEXT_BYTES, Context

HEADER = b"WPS\x05"
"""First bytes of every skill proof: kind and format version."""

BENCHMARK_DAYS, BUCKET_WH = buckets.BENCHMARK_DAYS, buckets.BUCKET_WH
ENERGY_PER_BUCKET_WH = buckets.ENERGY_PER_BUCKET_WH
STATEMENT_BYTES = CONTEXT_BYTES + 2 + 9 * G1_BYTES
MOST_BUCKETS = (1 << 16) - 1
ERROR_BITS = 17
"""Width of an error: readings have 17 bits; a forecast beyond them by more cannot be scored."""
_DAYS = len(BENCHMARK_DAYS)
_BENCHMARKS = _DAYS + 1
_GRID_BITS = 10
_ROW = 1024
_SIDES = 2 * DAY_HOURS  # plus of every hour, then minus
_SLACKS = _SIDES * ERROR_BITS
_SLACK_BITS, _MEAN_BITS = 22, 25  # 24 errors of 17 bits; seven times that
_SLACK_WIDTHS = (*[_SLACK_BITS] * _DAYS, _MEAN_BITS, _SLACK_BITS)
"""Of each single day, of their mean, of the energy."""
_BITS = _SLACKS + sum(_SLACK_WIDTHS)
_ERRORS = _BENCHMARKS * DAY_HOURS


@dataclass(frozen=True)
class Statement:
    """The forecast for context.day avoids at least `buckets` times 100 Wh of error beside every benchmark."""

    context: Context
    forecast: bytes
    actual: bytes  # the meter's commitment of context.day
    benchmarks: tuple[bytes, ...]  # the meter's commitments of the days of BENCHMARK_DAYS
    buckets: int

    def __post_init__(self) -> None:
        if not 0 <= self.buckets <= MOST_BUCKETS:
            raise InvalidStatement(f"buckets are a number from 0 to {MOST_BUCKETS}, not {self.buckets}")
        if len(self.benchmarks) != _DAYS:
            raise InvalidStatement(f"skill is measured beside {_DAYS} days, not {len(self.benchmarks)}")

    def encode(self) -> bytes:
        commitments = self.forecast + self.actual + b"".join(self.benchmarks)
        return self.context.encode() + self.buckets.to_bytes(2, "big") + commitments


@dataclass(frozen=True, repr=False)
class Secrets:
    """Values (Wh; 48 of the forecast, 24 of each day) and blindings of the commitments; `benchmarks_blinding` is the
    sum of those of the seven days."""

    forecast: Sequence[int]
    actual: Sequence[int]
    benchmarks: Sequence[Sequence[int]]
    forecast_blinding: int
    actual_blinding: int
    benchmarks_blinding: int

    def differences(self) -> Ints:
        """Benchmark less reading, [8, 24] Wh; seven times that for the mean, the last one."""
        days, actual = (np.array(values, dtype=np.int64) for values in (self.benchmarks, self.actual))
        return np.concatenate([days - actual, (days.sum(axis=0) - _DAYS * actual)[None]])

    def slacks(self, buckets: int) -> list[int]:
        """What every inequality leaves at so many buckets: of each single day, of their mean, of the energy."""
        actual = np.array(self.actual, dtype=np.int64)
        error = int(np.abs(np.array(self.forecast[:DAY_HOURS], dtype=np.int64) - actual).sum())
        *single, mean = np.abs(self.differences()).sum(axis=1).tolist()
        need = error + BUCKET_WH * buckets
        energy = int(actual.sum()) - ENERGY_PER_BUCKET_WH * buckets
        return [*(value - need for value in single), mean - _DAYS * need, energy]


def most_buckets(secrets: Secrets) -> int:
    """The most buckets that can be proven; -1 when a benchmark was nearer to the readings."""
    *single, mean, energy = secrets.slacks(0)
    gain = min(*single, mean // _DAYS)
    return min(gain // BUCKET_WH, energy // ENERGY_PER_BUCKET_WH) if gain >= 0 else -1


@dataclass(frozen=True)
class Publics:
    """What of the statement enters the relation as numbers: `buckets`, and `rotation`, one-hot: the day modulo 7.
    Everything else of a statement is only hashed, so that one relation (one program) serves them all."""

    buckets: int
    rotation: tuple[int, ...]

    @classmethod
    def of(cls, statement: Statement) -> Publics:
        today = statement.context.day % RING_DAYS
        return cls(statement.buckets, tuple(int(day == today) for day in range(RING_DAYS)))

    @property
    def numbers(self) -> list[int]:
        """In the order in which a recorded verifier takes them."""
        return [self.buckets, *self.rotation]


def relation(statement: Statement, setup: Setup) -> Relation:
    decode = setup.curve.decode
    past = reduce(setup.curve.add, map(decode, statement.benchmarks))
    points = decode(statement.forecast), decode(statement.actual), past
    return relation_of(statement.encode(), points, Publics.of(statement))


def _signed(c: Any) -> Any:
    """f = (1 - 2 s) d, hour by hour."""
    return c["f"] - c["d"] + c["s"] * c["d"] * 2


_GATES = (boolean("bits"), boolean("s"), Gate(2, _signed))


def relation_of(statement: bytes, points: tuple[Point, Point, Point], publics: Publics) -> Relation:
    """`points`: forecast, actual, and the sum of the benchmarks' days."""
    forecast, actual, past = points
    return Relation(
        protocol="skill",
        header=HEADER,
        statement=statement,
        grid_bits=_GRID_BITS,
        columns=(Column("bits", _BITS), Column("d", _ERRORS), Column("s", _ERRORS), Column("f", _ERRORS)),
        inputs=(
            CommittedInput("forecast", FORECAST_VALUES, (forecast,)),
            CommittedInput("actual", RING_SLOTS, (actual,)),
            CommittedInput("benchmarks", RING_SLOTS, (past,)),
        ),
        gates=_GATES,
        constraints=lambda draw: [_constraints(publics, draw())],
        length=_ROW,
    )


def _constraints(publics: Publics, base: int) -> Linear:
    """Errors, the benchmarks' errors, and the inequalities, weighted by powers of a challenge: 24 for the forecast,
    24 for each benchmark, then one for each slack."""
    hour = power(base, DAY_HOURS)
    scale = [1]
    while len(scale) <= 1 + _BENCHMARKS:
        scale.append(scale[-1] * hour % MODULUS)
    forecast, *single, mean, last = scale
    number = PowerAxis(1, ERROR_BITS, 2)
    sides = PowerAxis(ERROR_BITS, DAY_HOURS, base)
    of_actual = -(forecast + sum(single) + _DAYS * mean) % MODULUS
    slack = [last]
    while len(slack) < len(_SLACK_WIDTHS):
        slack.append(slack[-1] * base % MODULUS)
    *of_single, of_mean, of_energy = slack
    errors, energy = (sum(of_single) + _DAYS * of_mean) % MODULUS, of_energy
    # the day that is BENCHMARK_DAYS[k] days before today has the place of today less k in the ring
    of_days = [
        sum(publics.rotation[(day + k) % RING_DAYS] * (single[k] + mean) for k in range(_DAYS))
        for day in range(RING_DAYS)
    ]
    hours = [run_of(DAY_HOURS * day, DAY_HOURS, base) for day in range(RING_DAYS)]
    terms = [
        # y - a = plus - minus
        Term("forecast", forecast, run_of(0, DAY_HOURS, base)),
        Term("bits", -1, TensorForm((sides, number))),
        Term("bits", 1, TensorForm((sides, number), DAY_HOURS * ERROR_BITS)),
        # d = n - a, and for the mean sum_k n^k - 7 a
        Term("d", -single[0], run_of(0, _ERRORS, base)),
        *(Term("actual", today * of_actual, form) for today, form in zip(publics.rotation, hours, strict=True)),
        *(Term("benchmarks", scale, form) for scale, form in zip(of_days, hours, strict=True)),
        # sum f - sum (plus + minus) - 100 buckets = slack, all but f sevenfold for the mean
        Term("f", last, TensorForm((PowerAxis(DAY_HOURS, _BENCHMARKS, base), PowerAxis(1, DAY_HOURS)))),
        Term("bits", -errors, TensorForm((PowerAxis(ERROR_BITS, _SIDES), number))),
        # sum a - 2000 buckets = slack
        *(
            Term("actual", today * energy, run_of(DAY_HOURS * day, DAY_HOURS))
            for day, today in enumerate(publics.rotation)
        ),
        Term("bits", -last, TensorForm((PowerAxis(_SLACK_BITS, _DAYS, base), PowerAxis(1, _SLACK_BITS, 2)), _SLACKS)),
        Term("bits", -of_mean, run_of(_SLACKS + _DAYS * _SLACK_BITS, _MEAN_BITS, 2)),
        Term("bits", -of_energy, run_of(_BITS - _SLACK_BITS, _SLACK_BITS, 2)),
    ]
    per_bucket = (BUCKET_WH * errors + ENERGY_PER_BUCKET_WH * energy) % MODULUS
    return Linear(tuple(terms), -publics.buckets * per_bucket)


def _witness(statement: Statement, secrets: Secrets) -> Witness:
    forecast, actual = (np.array(values, dtype=np.int64) for values in (secrets.forecast, secrets.actual))
    errors, differences = forecast[:DAY_HOURS] - actual, secrets.differences().ravel()
    sides = np.concatenate([np.maximum(errors, 0), np.maximum(-errors, 0)])
    slacks = zip(secrets.slacks(statement.buckets), _SLACK_WIDTHS, strict=True)
    columns = {
        "bits": np.concatenate(
            [decompose(sides.tolist(), ERROR_BITS), *(decompose([slack], width) for slack, width in slacks)]
        ),
        "d": differences,
        "s": (differences < 0).astype(np.int64),
        "f": np.abs(differences),
    }
    day = statement.context.day
    past = np.zeros(RING_SLOTS, dtype=np.int64)
    for back, readings in zip(BENCHMARK_DAYS, secrets.benchmarks, strict=True):
        past[list(ring_slots(day - back))] = readings
    today = np.zeros(RING_SLOTS, dtype=np.int64)
    today[list(ring_slots(day))] = actual
    inputs: dict[str, Sequence[tuple[Vector, int] | None]] = {
        "forecast": [(Vector.from_array(forecast), secrets.forecast_blinding)],
        "actual": [(Vector.from_array(today), secrets.actual_blinding)],
        "benchmarks": [(Vector.from_array(past), secrets.benchmarks_blinding % MODULUS)],
    }
    return Witness(columns, inputs)


def prove(
    statement: Statement, secrets: Secrets, *, backend: str = "", random: RandomScalars = fresh_scalars
) -> bytes:
    """Prove the buckets. Raises WitnessError where they are too many (or a forecast is off by more than 131 kWh)."""
    setup = load_setup(backend)
    return HEADER + protocol.prove(relation(statement, setup), _witness(statement, secrets), setup, random)


def check(statement: Statement, proof: bytes, setup: Setup) -> Leftover:
    return protocol.verify(relation(statement, setup), body(proof), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "skill")


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    protocol.accept(check(statement, proof, setup), setup)

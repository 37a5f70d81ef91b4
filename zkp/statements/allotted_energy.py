"""Statement 6, shared energy by allotments: of what each hour allots to a member, it gets as much as it took.

    share = sum_d sum_h s_dh,     s_dh = min(p_dh, a_dh)

with a public allotment p (Wh) for each hour: a fixed part of the shared energy, or an equal one. With
u = p - s and v = a - s, both below 2^17 and not negative, and u v = 0 in each hour, s is one of both and no more than
the other: their minimum. An allotment beyond the largest reading is cut to it, which changes no minimum.

Cells: 34 columns of bits, one row for each hour of the period. Hours are joined to the signed days by one linear
constraint with powers of a challenge, a - v = p - u; the share by another, sum p - sum u. Nothing wraps: an hour's
values are below 2^18, sums below 2^31.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zkp.algebra.commitment import DAY_HOURS, MAX_READING_WH
from zkp.algebra.field import MODULUS, powers
from zkp.algebra.srs import Setup, load_setup
from zkp.algebra.vector import Ints, RandomScalars, fresh_scalars
from zkp.argument import protocol
from zkp.argument.bits import boolean
from zkp.argument.cells import Linear, Term
from zkp.argument.forms import run_of
from zkp.argument.relation import Column, Draw, Gate, Relation, Witness
from zkp.errors import WitnessError, require
from zkp.statements import formats
from zkp.statements.period import PeriodStatement

HEADER = b"WPA\x04"
VALUE_BITS = 17
_UNUSED, _UNMET = "u", "v"
"""What of the allotment the member did not take, and what of its reading the allotment did not meet."""


def _names(kind: str) -> list[str]:
    return [f"{kind} {k}" for k in range(VALUE_BITS)]


_COLUMNS = (*_names(_UNUSED), *_names(_UNMET))


def _number(columns: Mapping[str, Any], kind: str) -> Any:
    total: Any = 0
    for k, name in enumerate(_names(kind)):
        total = columns[name] * (1 << k) + total
    return total


_GATES = (
    *(boolean(name) for name in _COLUMNS),
    Gate(2, lambda c: _number(c, _UNUSED) * _number(c, _UNMET)),
)


@dataclass(frozen=True)
class Statement(PeriodStatement):
    """The share is the sum of the smaller of reading and allotment; `numbers` are the allotments (Wh)."""

    most = MAX_READING_WH


def share_of(allotments: Sequence[Sequence[int]], readings: Sequence[Sequence[int]]) -> int:
    """The share (Wh) that can be proven of these readings (Wh): 24 allotments and readings for each day."""
    pairs = zip(allotments, readings, strict=True)
    return sum(min(p, int(v)) for day in pairs for p, v in zip(*day, strict=True))


def relation(statement: Statement, setup: Setup) -> Relation:
    hours = DAY_HOURS * len(statement.days)
    return Relation(
        protocol="allotted energy",
        header=HEADER,
        statement=statement.encode(),
        grid_bits=hours.bit_length(),  # the last row is a pad
        columns=tuple(Column(name, hours) for name in _COLUMNS),
        inputs=statement.inputs(setup),
        gates=_GATES,
        constraints=lambda draw: _constraints(statement, hours, draw),
    )


def _constraints(statement: Statement, hours: int, draw: Draw) -> list[Linear]:
    base = draw()
    scales = powers(base, hours)
    each_day = [scales[k : k + DAY_HOURS] for k in range(0, hours, DAY_HOURS)]
    allotted = [p for day in statement.numbers for p in day]
    by_hour, plain = run_of(0, hours, base), run_of(0, hours)
    # a - v - p + u = 0, hour by hour
    joined = [*statement.weighted(each_day)]
    joined += [Term(name, 1 << k, by_hour) for k, name in enumerate(_names(_UNUSED))]
    joined += [Term(name, -(1 << k), by_hour) for k, name in enumerate(_names(_UNMET))]
    known = -sum(scale * p for scale, p in zip(scales, allotted, strict=True)) % MODULUS
    # sum p - sum u = share
    unused = tuple(Term(name, -(1 << k), plain) for k, name in enumerate(_names(_UNUSED)))
    return [Linear(tuple(joined), known), Linear(unused, sum(allotted) - statement.share)]


def _columns(allotments: Ints, readings: Ints) -> dict[str, Ints]:
    """Bits of both numbers, hour by hour."""
    taken = np.minimum(allotments, readings)
    out: dict[str, Ints] = {}
    for kind, values in ((_UNUSED, allotments - taken), (_UNMET, readings - taken)):
        if ((values < 0) | (values >> VALUE_BITS != 0)).any():
            raise WitnessError(f"an hour's value is not between 0 and 2^{VALUE_BITS} - 1")
        out |= {name: values >> k & 1 for k, name in enumerate(_names(kind))}
    return out


def prove(
    statement: Statement,
    readings: Sequence[Sequence[int]],
    blindings: Sequence[int],
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove the share from each day's 24 readings (Wh) and blinding. Raises WitnessError when it is another."""
    setup, inputs = load_setup(backend), statement.openings(readings, blindings)
    require(share_of(statement.numbers, readings) == statement.share, "the share")
    flat = np.array(statement.numbers, dtype=np.int64).ravel(), np.array(readings, dtype=np.int64).ravel()
    witness = Witness(_columns(*flat), inputs)
    return HEADER + protocol.prove(relation(statement, setup), witness, setup, random)


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    protocol.accept(protocol.verify(relation(statement, setup), body(proof), setup), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "allotted energy")

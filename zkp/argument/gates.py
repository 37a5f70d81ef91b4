"""Step 3, gates: every gate and lookup holds on every row of the grid but the last.

With F(x) = sum_k chi^k gate_k(columns(x)), all those rows are zero if and only if, for the value E of F on the last
row (all ones) and a random point w,

    sum_x eq(w, x) F(x) = eq(w, last) E.

E is a value of random cells, and is hidden by a pad of its own: e = E + pad is sent, and pad * prod_k x_k joins the
summand. What the sumcheck leaves is, at its point r, with the columns' values sent,

    F(values) + pad * prod_k r_k + mask(r) = the last claim,

a linear claim about pads; and the columns' values are linear claims about their cells, of which a random combination
with the powers of kappa stands for all.

Soundness: (gates - 1) / r for chi; (2^n - 1) / r for w, whose coordinates are c, c^2, c^4, ...; degree / r for each
round; (columns - 1) / r for kappa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from zkp.algebra.field import MODULUS, inverse, powers
from zkp.algebra.vector import Vector
from zkp.argument import sumcheck
from zkp.argument.cells import Claim, Linear, Term
from zkp.argument.forms import eq_form, one_cell, run_of
from zkp.argument.relation import PADS, Relation, Selector, gate_sum, selectors_of
from zkp.argument.rows import Matrix
from zkp.argument.sumcheck import Reduced
from zkp.argument.tables import Challenges
from zkp.argument.transcript import ProverChannel, VerifierChannel


def prove(channel: ProverChannel, relation: Relation, matrix: Matrix, seeds: Challenges | None) -> list[Claim]:
    """Raises WitnessError where a gate or a lookup does not hold."""
    chi = channel.challenge("gates/chi")
    columns, pads = _columns(relation, matrix), relation.pads
    pad, *mask = matrix.pads()[pads.exempt : pads.exempt + 1 + pads.gate_mask.size].to_ints()
    rows = {s: s.column(relation.grid) for s in selectors_of(relation)}
    last = gate_sum(relation, _last(columns), _last(rows), chi, seeds).to_ints()[0]
    sent = (last + pad) % MODULUS
    channel.send_scalars("gates/last row", [sent])
    weights = channel.point("gates/weights", relation.grid_bits)
    summand = GateSum(relation, columns, rows, chi, seeds, pad, weights)
    reduced = sumcheck.prove(channel, "gates", summand, weights, _product(weights) * sent % MODULUS, mask)
    values = [summand.columns[c.name].to_ints()[0] for c in relation.gate_columns]
    channel.send_scalars("gates/values", values)
    return _claims(relation, weights, reduced, values, chi, seeds, channel.challenge("gates/columns"))


def verify(channel: VerifierChannel, relation: Relation, seeds: Challenges | None) -> list[Claim]:
    chi = channel.challenge("gates/chi")
    (sent,) = channel.receive_scalars("gates/last row", 1)
    weights = channel.point("gates/weights", relation.grid_bits)
    claim = _product(weights) * sent % MODULUS
    reduced = sumcheck.verify(channel, "gates", weights, relation.degree, claim)
    values = channel.receive_scalars("gates/values", len(relation.gate_columns))
    return _claims(relation, weights, reduced, values, chi, seeds, channel.challenge("gates/columns"))


def _claims(
    relation: Relation,
    weights: Sequence[int],
    reduced: Reduced,
    values: Sequence[int],
    chi: int,
    seeds: Challenges | None,
    kappa: int,
) -> list[Claim]:
    """sum_i eq(i, point) cell_i + eq(last, point) pad = value, for all columns together; and what masks and pad are
    worth."""
    last, count = _product(reduced.point), len(relation.gate_columns)
    forms = {(c.used, c.first): eq_form(reduced.point, c.used, c.first) for c in relation.gate_columns}
    scales = powers(kappa, count)
    terms = [
        Term(column.cells, scale, forms[column.used, column.first])
        for column, scale in zip(relation.gate_columns, scales, strict=True)
    ]
    terms.append(Term(PADS, last, run_of(0, count, kappa)))
    total = sum(scale * value for scale, value in zip(scales, values, strict=True)) % MODULUS
    columns = {c.name: v for c, v in zip(relation.gate_columns, values, strict=True)}
    rows = {s: s.at(reduced.point) for s in selectors_of(relation)}
    rest = (reduced.value - gate_sum(relation, columns, rows, chi, seeds)) % MODULUS
    pad = Linear((Term(PADS, last, one_cell(relation.pads.exempt)),))
    return [(Linear(tuple(terms)), total), (pad.plus(relation.pads.gate_mask.value(weights, reduced.point)), rest)]


def _columns(relation: Relation, matrix: Matrix) -> dict[str, Vector]:
    """Every column over the whole grid, its pad in the last row."""
    pads, out = matrix.pads(), {}
    for k, column in enumerate(relation.gate_columns):
        values = Vector.zeros(relation.grid)
        values[: column.used] = matrix.column(column)
        values[-1:] = values[-1:] + pads[k : k + 1]
        out[column.name] = values
    return out


T = TypeVar("T")


def _last(columns: dict[T, Vector]) -> dict[T, Vector]:
    return {name: column[-1:] for name, column in columns.items()}


def _product(values: Sequence[int]) -> int:
    """eq(values, last), for the last row is all ones."""
    out = 1
    for v in values:
        out = out * v % MODULUS
    return out


@dataclass(repr=False)
class GateSum:
    """sum_x eq(w, x) (F(x) + pad prod_k x_k), for `zkp.argument.sumcheck`."""

    relation: Relation
    columns: dict[str, Vector]
    selectors: dict[Selector, Vector]
    chi: int
    seeds: Challenges | None
    pad: int
    weights: Sequence[int]

    def coefficients(self) -> list[int]:
        """From the values at 0, 1, ..., degree."""
        half = len(next(iter(self.columns.values()))) // 2
        eq = Vector.eq_table(self.weights[: half.bit_length() - 1])
        tables = [*self.columns.values(), *self.selectors.values()]
        current = [t[:half] for t in tables]
        steps = [t[half:] - t[:half] for t in tables]
        values = []
        for x in range(self.relation.degree + 1):
            if x:
                current = [c + s for c, s in zip(current, steps, strict=True)]
            columns = dict(zip(self.columns, current, strict=False))
            selectors = dict(zip(self.selectors, current[len(columns) :], strict=True))
            found = gate_sum(self.relation, columns, selectors, self.chi, self.seeds)
            values.append(found.inner(eq))
        out = interpolated(values)
        out[1] += self.pad * _product(self.weights[: half.bit_length() - 1])
        return out

    def bind(self, r: int) -> None:
        self.columns = {name: column.fold(r) for name, column in self.columns.items()}
        self.selectors = {s: column.fold(r) for s, column in self.selectors.items()}
        self.pad = self.pad * r % MODULUS


def interpolated(values: Sequence[int]) -> list[int]:
    """Coefficients, lowest first, of the polynomial that takes values[k] at k (Newton's divided differences)."""
    differences = list(values)
    for order in range(1, len(values)):
        over = inverse(order)
        for k in reversed(range(order, len(values))):
            differences[k] = (differences[k] - differences[k - 1]) * over % MODULUS
    out = [differences[-1]]
    for k in reversed(range(len(values) - 1)):  # out * (X - k) + differences[k]
        out = [(low - k * high) % MODULUS for low, high in zip([0, *out], [*out, 0], strict=True)]
        out[0] = (out[0] + differences[k]) % MODULUS
    return out

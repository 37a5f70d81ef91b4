"""The argument: gates, lookups, matrix products and linear relations over committed cells, in zero knowledge.

A `Relation` says what must hold; both sides build it from the public statement alone. The protocol:

 1. commit    rows of the trace, of lookup multiplicities, of the sumchecks' masks, and one uniformly random row
 2. lookups   alpha, beta; commit the helper columns                                       (zkp.lookup)
 3. gates     one sumcheck of sum_x eq(rho, x) gates(x) = 0; the columns' values at its point are sent
 4. products  one sumcheck for all inner products <left, right>, padded with random slots
 5. cells     everything claimed so far is linear in the cells: one sumcheck of <weights, cells>
 6. masks     one Schnorr proof for the three masks                                         (zkp.argument.masks)
 7. opening   one multilinear opening of the combined row                                   (zkp.argument.opening)

`verify` checks one proof. `zkp.batch.recording` writes down what it does, and `zkp.batch.lanes` runs that for many.

What is revealed is random: each column has a random cell in a row that no gate touches (one value revealed), each
product has random slots (three values), one more cell hides the matrix's own value, the masks hide the sumchecks, the
random row hides the opening. `revealed_values` counts them; docs/protocol.md argues it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zkp.algebra.curve import Point
from zkp.algebra.field import MODULUS, eq_index, eq_values, powers
from zkp.algebra.group import Combination, GroupEquation, combine
from zkp.algebra.srs import ROW, ROW_BITS, Setup
from zkp.algebra.vector import RandomScalars, Vector
from zkp.argument import masks, opening, sumcheck
from zkp.argument.cells import CellForm, EqForm, Layout, Linear, Term
from zkp.argument.lookup import FractionForm, LookupGroup, Selector, SelectorForm, Table, multiplicities
from zkp.argument.sumcheck import MaskShape, TableSum
from zkp.argument.transcript import ProverChannel, Transcript, VerifierChannel
from zkp.errors import InvalidProof

TRACE, HELPERS, PADS, MULTIPLICITIES = "trace", "helpers", "pads", "multiplicities"
_PADS_PER_PRODUCT = 3


@dataclass(frozen=True)
class Column:
    """A column over the grid: its first `used` cells carry the witness, the next one is random, the rest is zero."""

    name: str
    used: int

    @property
    def bits(self) -> int:
        """Of the block that holds it, which may be shorter than the grid."""
        return self.used.bit_length()


@dataclass(frozen=True)
class Gate:
    """value(columns) = 0 in the selected rows; `degree` in the columns."""

    selector: Selector
    degree: int
    value: Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Product:
    """<left, right> = total, for two vectors that are linear in the cells.

    `left(point)` and `right(point)` are the linear functions that give the vectors' multilinear extensions; the last
    three of their 2^bits entries are zero, and become the random slots.
    """

    bits: int
    total: Linear
    left: Callable[[list[int]], Linear]
    right: Callable[[list[int]], Linear]

    def padded(self, index: int) -> Product:
        """With random slots: (pad, 1), (pad', 0), (0, pad'')."""
        last = (1 << self.bits) - 1
        base = _PADS_PER_PRODUCT * index

        def pad(k: int, weight: int) -> Linear:
            return Linear((Term(PADS, weight, CellForm(base + k)),))

        def left(point: list[int]) -> Linear:
            form = self.left(point).plus(pad(0, eq_index(last, point)))
            return form.plus(pad(1, eq_index(last - 1, point)))

        def right(point: list[int]) -> Linear:
            form = self.right(point).plus(pad(2, eq_index(last - 2, point)))
            return form.plus(Linear((), eq_index(last, point)))

        return Product(self.bits, self.total.plus(pad(0, 1)), left, right)


@dataclass(frozen=True)
class Supplied:
    """Rows that the statement brings along, as commitments (None for a row of zeros)."""

    name: str
    size: int
    used: int
    commitments: tuple[Point | None, ...]


Draw = Callable[[], int]
"""The next challenge."""


@dataclass(frozen=True)
class Relation:
    """What is to hold, in public terms."""

    protocol: str
    statement: bytes
    grid_bits: int
    columns: tuple[Column, ...]
    supplied: tuple[Supplied, ...]
    gates: tuple[Gate, ...]
    table: Table | None
    groups: tuple[LookupGroup, ...]
    products: Callable[[Draw], list[Product]]
    products_count: int
    product_bits: int
    links: Callable[[Draw], list[Linear]]

    def layout(self) -> Layout:
        pads = Column(PADS, _PADS_PER_PRODUCT * self.products_count)
        groups: list[_Group] = [(s.name, ((s.name, s.size, s.used),)) for s in self.supplied]
        groups.append((TRACE, tuple(_cells(c) for c in (*self.columns, pads))))
        if self.table is not None:
            pieces = _table_pieces(self.table.size)
            groups.append((MULTIPLICITIES, tuple((name, size, used) for name, size, _, used in pieces)))
            groups.append((HELPERS, tuple(_cells(h) for h in self.helpers)))
        return _plan(tuple(groups))

    @property
    def helpers(self) -> tuple[Column, ...]:
        return tuple(Column(g.helper, g.selector.stop) for g in self.groups)

    @property
    def gate_columns(self) -> tuple[Column, ...]:
        """Columns whose values are revealed at the gates' point."""
        return (*self.columns, *self.helpers)

    @property
    def gate_degree(self) -> int:
        return 1 + max([g.degree for g in self.gates] + [g.degree for g in self.groups])

    def mask_shapes(self, layout: Layout) -> tuple[MaskShape, ...]:
        shapes = [MaskShape(self.grid_bits, self.gate_degree)]
        if self.products_count:
            shapes.append(MaskShape(self.product_bits, 2))
        return (*shapes, MaskShape(layout.bits, 2))


@dataclass(frozen=True, repr=False)
class Witness:
    """The prover's cells: columns as int64 arrays of `used` entries, supplied rows with their blindings."""

    columns: Mapping[str, NDArray[np.int64]]
    supplied: Mapping[str, Sequence[tuple[Vector, int] | None]]
    products: Callable[[Draw], list[tuple[Vector, Vector]]]


def revealed_values(relation: Relation) -> dict[str, tuple[int, int]]:
    """What is revealed of the witness and how many fresh random values hide it: (revealed, random) by kind."""
    shapes = relation.mask_shapes(relation.layout())
    return {
        "column values": (len(relation.gate_columns), len(relation.columns) + len(relation.groups)),
        "product values": (3 * relation.products_count, _PADS_PER_PRODUCT * relation.products_count),
        # the sum of each mask, its rounds but for the claim, its value
        "sumcheck messages": (sum(1 + s.variables * s.degree for s in shapes), sum(s.size for s in shapes)),
        "matrix value": (1, 1),
    }


def _cells(column: Column) -> tuple[str, int, int]:
    """Name, size and used cells of a column's block: one cell more than its values is random."""
    return column.name, 1 << column.bits, column.used + 1


def _table_pieces(size: int) -> list[tuple[str, int, int, int]]:
    """Blocks of a table's multiplicities: (name, size, first entry, entries); whole rows as long as they last."""
    pieces, first = [], 0
    while first < size:
        left = size - first
        block = max(ROW, 1 << (left.bit_length() - 1))
        used = min(block, left)
        pieces.append((f"{MULTIPLICITIES} {first}", block, first, used))
        first += used
    return pieces


_Group = tuple[str, tuple[tuple[str, int, int], ...]]


@lru_cache(maxsize=64)
def _plan(groups: tuple[_Group, ...]) -> Layout:
    return Layout.plan(dict(groups))


def _gate_sum(
    relation: Relation, columns: Mapping[str, Any], kernels: Mapping[Selector, Any], chi: int, *seeds: int
) -> Any:
    """sum over selectors of kernel * sum of chi^k gate_k; the columns are vectors (prover) or values (verifier)."""
    totals: dict[Selector, Any] = {}
    scale = 1
    values = [(g.selector, g.value(columns)) for g in relation.gates]
    values += [(g.selector, g.gate(columns, *seeds)) for g in relation.groups]
    for selector, value in values:
        part = value * scale
        totals[selector] = totals[selector] + part if selector in totals else part
        scale = scale * chi % MODULUS
    parts = [kernels[s] * total for s, total in totals.items()]
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _column_claims(relation: Relation, point: Sequence[int], values: Sequence[int]) -> list[tuple[Linear, int]]:
    """The columns' values at the gates' point; beyond its block a column is zero."""
    claims = []
    forms = {bits: EqForm(tuple(point[:bits])) for bits in {c.bits for c in relation.gate_columns}}
    for column, value in zip(relation.gate_columns, values, strict=True):
        outside = eq_index(0, point[column.bits :])
        claims.append((Linear((Term(column.name, outside, forms[column.bits]),)), value))
    return claims


def _selectors(relation: Relation) -> list[Selector]:
    return list(dict.fromkeys([g.selector for g in relation.gates] + [g.selector for g in relation.groups]))


def _table_claim(relation: Relation, alpha: int, beta: int) -> Linear:
    """Sum of the helpers over active rows minus <multiplicities, 1 / (alpha - t)> is zero."""
    if relation.table is None:
        return Linear(())
    terms = [Term(group.helper, 1, SelectorForm(group.selector)) for group in relation.groups]
    denominators = relation.table.denominators(alpha, beta)
    for name, _, first, count in _table_pieces(relation.table.size):
        terms.append(Term(name, MODULUS - 1, FractionForm(denominators[first : first + count])))
    return Linear(tuple(terms))


def _batch(claims: Sequence[tuple[Linear, int]], theta: int) -> tuple[Linear, int]:
    """sum theta^k (linear_k = value_k) as one claim, the constants moved to the right."""
    terms: list[Term] = []
    value = 0
    for scale, (linear, claimed) in zip(powers(theta, len(claims)), claims, strict=True):
        scaled = linear.times(scale)
        terms += scaled.terms
        value += scale * claimed - scaled.constant
    return Linear(tuple(terms)), value % MODULUS


# -- prover ----------------------------------------------------------------------------------------------------------


@dataclass(repr=False)
class _Prover:
    """One run of the prover."""

    relation: Relation
    witness: Witness
    setup: Setup
    random: RandomScalars

    def __post_init__(self) -> None:
        self.layout = self.relation.layout()
        self.channel = ProverChannel(self.relation.protocol, self.setup.curve)
        self.channel.absorb("statement", self.relation.statement)
        self.cells = Vector.zeros(self.layout.cells)
        self.blindings: dict[int, int] = {}

    def run(self) -> bytes:
        relation, channel = self.relation, self.channel
        self._fill()
        self._commit(TRACE)
        if relation.table is not None:
            self._commit(MULTIPLICITIES)
        committed = masks.CommittedMasks.draw(relation.mask_shapes(self.layout), self.random)
        *row, row_blinding = self.random(ROW + 1)
        random_row = Vector.from_ints(row)
        bases = [*self.setup.powers(ROW)[:ROW], self.setup.blinder]
        random_point = self.setup.curve.msm(bases, Vector.from_ints([*row, row_blinding]))
        channel.send_points("masks", [committed.commit(self.setup), random_point])

        seeds = self._helpers()
        claims = [(_table_claim(relation, *seeds), 0)] if seeds else []
        points = [self._gates(claims, committed.mask(0), seeds)]
        if relation.products_count:
            points.append(self._products(claims, committed.mask(1)))
        claims += [(link, 0) for link in relation.links(lambda: channel.challenge("links"))]
        point, combined = self._matrix(claims, committed.mask(len(points)))
        points.append(point)
        masks.prove(channel, self.setup, committed, points, self.random)

        low = point[:ROW_BITS]
        random_value = random_row.inner(Vector.eq_table(low))
        blinding = sum(b * eq_index(r, point[ROW_BITS:]) for r, b in self.blindings.items())
        channel.send_scalars("opening/random value", [random_value])
        scale = channel.challenge("opening/random row")
        channel.send_scalars("opening/blinding", [(blinding + scale * row_blinding) % MODULUS])
        opening.prove(channel, self.setup, combined + random_row * scale, low)
        return channel.proof()

    def _fill(self) -> None:
        """Put witness, random cells and supplied rows in their places."""
        blocks = self.layout.blocks
        for column in self.relation.columns:
            values = self.witness.columns[column.name]
            self._put(column.name, Vector.from_array(values))
            self.cells[blocks[column.name].offset + column.used :][:1] = Vector.from_ints(self.random(1))
        self._put(PADS, Vector.from_ints(self.random(_PADS_PER_PRODUCT * self.relation.products_count + 1)))
        for supplied in self.relation.supplied:
            first = blocks[supplied.name].offset
            for k, row in enumerate(self.witness.supplied[supplied.name]):
                if row is not None:
                    self.cells[first + k * ROW : first + k * ROW + len(row[0])] = row[0]
                    self.blindings[first // ROW + k] = row[1]
        if self.relation.table is not None:
            counts = multiplicities(self.relation.table, self.relation.groups, self.witness.columns)
            for name, _, first, count in _table_pieces(len(counts)):
                self._put(name, Vector.from_array(counts[first : first + count]))

    def _put(self, name: str, values: Vector) -> None:
        offset = self.layout.blocks[name].offset
        self.cells[offset : offset + len(values)] = values

    def _column(self, name: str) -> Vector:
        block = self.layout.blocks[name]
        return self.cells[block.offset : block.offset + block.size]

    def _commit(self, group: str) -> None:
        rows = self.layout.groups[group]
        bases = [*self.setup.powers(ROW)[:ROW], self.setup.blinder]
        blindings = self.random(len(rows))
        self.blindings.update(zip(rows, blindings, strict=True))
        contents = [
            Vector(np.concatenate([self.cells.data[r * ROW : (r + 1) * ROW], Vector.from_ints([b]).data]))
            for r, b in zip(rows, blindings, strict=True)
        ]
        self.channel.send_points(f"rows/{group}", self.setup.curve.msm_many(bases, contents))

    def _helpers(self) -> tuple[int, ...]:
        relation, channel = self.relation, self.channel
        if relation.table is None:
            return ()
        alpha, beta = channel.challenges("lookups", 2)
        for group in relation.groups:
            names = {name for look in group.lookups for name in look.columns}
            values = group.helper_values({n: self._column(n) for n in names}, alpha, beta)
            column = self._column(group.helper)
            column[: group.selector.stop] = group.selector.spread(values, group.selector.stop)
            column[group.selector.stop :][:1] = Vector.from_ints(self.random(1))
        self._commit(HELPERS)
        return alpha, beta

    def _gates(self, claims: list[tuple[Linear, int]], mask: sumcheck.Mask, seeds: tuple[int, ...]) -> list[int]:
        relation, channel = self.relation, self.channel
        rho = channel.point("gates/rho", relation.grid_bits)
        chi = channel.challenge("gates/chi")
        names, selectors = [c.name for c in relation.gate_columns], _selectors(relation)
        table = Vector.eq_table(rho)
        kernels = [s.spread(s.pick(table), len(table)) for s in selectors]

        def combined(tables: list[Vector]) -> Vector:
            columns = dict(zip(names, tables[len(selectors) :], strict=True))
            value: Vector = _gate_sum(relation, columns, dict(zip(selectors, tables, strict=False)), chi, *seeds)
            return value

        summand = TableSum(kernels + [_extended(self._column(n), len(table)) for n in names], combined)
        point = sumcheck.prove(channel, "gates", summand, 0, mask)
        values = [t.to_ints()[0] for t in summand.tables[len(selectors) :]]
        channel.send_scalars("gates/values", values)
        claims += _column_claims(relation, point, values)
        return point

    def _products(self, claims: list[tuple[Linear, int]], mask: sumcheck.Mask) -> list[int]:
        relation, channel = self.relation, self.channel
        seed = channel.challenge("products/seed")
        products = [p.padded(k) for k, p in enumerate(relation.products(channel.expander(seed)))]
        vectors = self.witness.products(channel.expander(seed))
        size = 1 << relation.product_bits
        lefts, rights, totals = [], [], []
        for k, pair in enumerate(vectors):
            pads = self._column(PADS)[_PADS_PER_PRODUCT * k :][:_PADS_PER_PRODUCT]
            last = 1 << products[k].bits
            left, right = (_extended(v, size) for v in pair)
            left[last - 1 : last], left[last - 2 : last - 1] = pads[:1], pads[1:2]
            right[last - 1 : last], right[last - 3 : last - 2] = Vector.from_ints([1]), pads[2:3]
            lefts.append(left)
            rights.append(right)
            totals.append(left.inner(right))
        channel.send_scalars("products/totals", totals)
        scales = powers(channel.challenge("products/eta"), len(products))
        count = len(products)

        def combined(tables: list[Vector]) -> Vector:
            out = tables[0] * tables[count]
            for k in range(1, count):
                out = out + tables[k] * tables[count + k] * scales[k]
            return out

        claim = sum(s * t for s, t in zip(scales, totals, strict=True)) % MODULUS
        summand = TableSum(lefts + rights, combined)
        point = sumcheck.prove(channel, "products", summand, claim, mask)
        values = [t.to_ints()[0] for t in summand.tables]
        channel.send_scalars("products/values", values)
        claims += _product_claims(products, point, totals, values)
        return point

    def _matrix(self, claims: list[tuple[Linear, int]], mask: sumcheck.Mask) -> tuple[list[int], Vector]:
        linear, value = _batch(claims, self.channel.challenge("matrix/theta"))
        summand = _InnerProduct(linear.weights(self.layout), self.cells)
        point = sumcheck.prove(self.channel, "matrix", summand, value, mask)
        self.channel.send_scalars("matrix/value", summand.cells.to_ints())
        return point, summand.combined_row


@dataclass(repr=False)
class _InnerProduct:
    """sum_x weights(x) cells(x); remembers the cells when only the places within a row are left."""

    weights: Vector
    cells: Vector

    def __post_init__(self) -> None:
        self.combined_row = self.cells

    def round_values(self, degree: int) -> list[int]:
        half = len(self.cells) // 2
        w0, w1, c0, c1 = self.weights[:half], self.weights[half:], self.cells[:half], self.cells[half:]
        first, last, cross = w0.inner(c0), w1.inner(c1), (w1 - w0).inner(c1 - c0)
        # q(X) = first + (last - first - cross) X + cross X^2
        return [(first + (last - first - cross) * x + cross * x * x) % MODULUS for x in range(degree + 1)]

    def bind(self, r: int) -> None:
        self.weights, self.cells = self.weights.fold(r), self.cells.fold(r)
        if len(self.cells) >= ROW:
            self.combined_row = self.cells


def _extended(values: Vector, size: int) -> Vector:
    out = Vector.zeros(size)
    out[: len(values)] = values
    return out


def _product_claims(
    products: Sequence[Product], point: Sequence[int], totals: Sequence[int], values: Sequence[int]
) -> list[tuple[Linear, int]]:
    """Totals, left and right values of all products as linear claims.

    A product shorter than the longest one is padded with zeros: its values carry prod (1 - x) of the high
    coordinates.
    """
    claims = [(p.total, t) for p, t in zip(products, totals, strict=True)]
    for k, product in enumerate(products):
        low = list(point[: product.bits])
        outside = eq_index(0, point[product.bits :])
        claims.append((product.left(low).times(outside), values[k]))
        claims.append((product.right(low).times(outside), values[len(products) + k]))
    return claims


def prove(relation: Relation, witness: Witness, setup: Setup, random: RandomScalars) -> bytes:
    """Prove the relation. Raises WitnessError when the witness does not satisfy it."""
    return _Prover(relation, witness, setup, random).run()


# -- verifier --------------------------------------------------------------------------------------------------------


def verify(relation: Relation, proof: bytes, setup: Setup) -> tuple[GroupEquation, int]:
    """Check everything but the group: what is left is one pairing equation, and a weight for batching it.

    Raises MalformedProof or InvalidProof.
    """
    return check(relation, VerifierChannel(relation.protocol, setup.curve, proof))


def check(relation: Relation, channel: VerifierChannel) -> tuple[GroupEquation, int]:
    """`verify` for what comes through the channel: a proof, or the symbols of a recording (`zkp.batch.recording`)."""
    layout = relation.layout()
    channel.absorb("statement", relation.statement)
    rows = _receive_rows(relation, layout, channel)
    seeds: tuple[int, ...] = ()
    mask_point, random_point = channel.receive_points("masks", 2)
    if relation.table is not None:
        alpha, beta = channel.challenges("lookups", 2)
        seeds = (alpha, beta)
        rows.update(_receive_group(layout, channel, HELPERS))
    shapes = relation.mask_shapes(layout)
    claims = [(_table_claim(relation, *seeds), 0)] if seeds else []
    reduced = [_verify_gates(relation, channel, shapes[0], claims, seeds)]
    if relation.products_count:
        reduced.append(_verify_products(relation, channel, shapes[1], claims))
    claims += [(link, 0) for link in relation.links(lambda: channel.challenge("links"))]

    linear, value = _batch(claims, channel.challenge("matrix/theta"))
    last = sumcheck.verify(channel, "matrix", shapes[-1], value)
    reduced.append(last)
    (at_point,) = channel.receive_scalars("matrix/value", 1)
    try:
        weight = linear.weights_at(layout, last.point)
    except ZeroDivisionError as error:  # alpha met a table entry: probability 2^-240
        raise InvalidProof("a challenge fell on a table entry") from error
    channel.require_zero(weight * at_point - last.value, "the committed cells do not satisfy the linear relations")
    masks_equation = masks.verify(
        channel, shapes, mask_point, [r.point for r in reduced], [r.mask_value for r in reduced]
    )
    equation = _verify_opening(channel, rows, random_point, last.point, at_point)
    channel.finish()
    equation.add(masks_equation, channel.challenge("combine"))
    return equation, channel.challenge("batch")


def _receive_group(layout: Layout, channel: VerifierChannel, group: str) -> dict[int, Point]:
    rows = layout.groups[group]
    return dict(zip(rows, channel.receive_points(f"rows/{group}", len(rows)), strict=True))


def _receive_rows(relation: Relation, layout: Layout, channel: VerifierChannel) -> dict[int, Point]:
    """Commitments by row: those the statement supplies, then those of the proof's first message."""
    rows: dict[int, Point] = {}
    for supplied in relation.supplied:
        first = layout.blocks[supplied.name].offset // ROW
        rows.update({first + k: p for k, p in enumerate(supplied.commitments) if p is not None})
    rows.update(_receive_group(layout, channel, TRACE))
    if relation.table is not None:
        rows.update(_receive_group(layout, channel, MULTIPLICITIES))
    return rows


def _verify_gates(
    relation: Relation,
    channel: VerifierChannel,
    shape: MaskShape,
    claims: list[tuple[Linear, int]],
    seeds: tuple[int, ...],
) -> sumcheck.Reduced:
    rho = channel.point("gates/rho", relation.grid_bits)
    chi = channel.challenge("gates/chi")
    reduced = sumcheck.verify(channel, "gates", shape, 0)
    names = [c.name for c in relation.gate_columns]
    values = channel.receive_scalars("gates/values", len(names))
    ones = [a * b % MODULUS for a, b in zip(rho, reduced.point, strict=True)]
    zeros = [(1 - a) * (1 - b) % MODULUS for a, b in zip(rho, reduced.point, strict=True)]
    kernels = {s: s.weigh(zeros, ones) for s in _selectors(relation)}
    expected = _gate_sum(relation, dict(zip(names, values, strict=True)), kernels, chi, *seeds)
    channel.require_zero(expected - reduced.value, "a row of the trace does not satisfy the gates")
    claims += _column_claims(relation, reduced.point, values)
    return reduced


def _verify_products(
    relation: Relation, channel: VerifierChannel, shape: MaskShape, claims: list[tuple[Linear, int]]
) -> sumcheck.Reduced:
    seed = channel.challenge("products/seed")
    products = [p.padded(k) for k, p in enumerate(relation.products(channel.expander(seed)))]
    count = len(products)
    totals = channel.receive_scalars("products/totals", count)
    scales = powers(channel.challenge("products/eta"), count)
    claim = sum(s * t for s, t in zip(scales, totals, strict=True)) % MODULUS
    reduced = sumcheck.verify(channel, "products", shape, claim)
    values = channel.receive_scalars("products/values", 2 * count)
    expected = sum(s * values[k] * values[count + k] for k, s in enumerate(scales))
    channel.require_zero(expected - reduced.value, "a matrix product is wrong")
    claims += _product_claims(products, reduced.point, totals, values)
    return reduced


def _verify_opening(
    channel: VerifierChannel,
    rows: Mapping[int, Point],
    random_point: Point,
    point: Sequence[int],
    at_point: int,
) -> GroupEquation:
    (random_value,) = channel.receive_scalars("opening/random value", 1)
    scale = channel.challenge("opening/random row")
    (blinding,) = channel.receive_scalars("opening/blinding", 1)
    commitment = Combination()
    weights = eq_values(point[ROW_BITS:])
    for row, row_point in rows.items():
        commitment.add_point(row_point, weights[row])
    commitment.add_point(random_point, scale)
    commitment.blinder = -blinding % MODULUS
    value = (at_point + scale * random_value) % MODULUS
    return opening.verify(channel, commitment, point[:ROW_BITS], value)


def fold(results: Sequence[tuple[GroupEquation, int]]) -> tuple[GroupEquation, int]:
    """The random combination of left-over equations, and a weight that stands for all of them in a further one."""
    factors, weight = fold_weights([weight for _, weight in results])
    return combine(zip((e for e, _ in results), factors, strict=True)), weight


def fold_weights(weights: Sequence[int]) -> tuple[list[int], int]:
    """A factor for each left-over equation, from the weights that stand for them; and one that stands for the sum."""
    chain = Transcript("batch")
    for weight in weights:
        chain.absorb("proof", weight.to_bytes(32, "big"))
    return powers(chain.challenge("weight"), len(weights)), chain.challenge("batch")


def settle(results: Sequence[tuple[GroupEquation, int]], setup: Setup) -> bool:
    """Whether all left-over equations hold, by one pairing check of their random combination."""
    return fold(results)[0].holds(setup)

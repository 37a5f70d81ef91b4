"""Statement 1, inference: committed forecasts are the output of the committed model on committed readings.

Public: who and when, the model's shape and weight commitments, for each forecast day the commitment to the meter's
week before it (the sum of seven signed days), the public features, and the commitment to the 24 forecast values.
Private: readings, forecasts, every intermediate value, and the personal head where there is one.

The readings are of a quantity, load or another that the meter counts (export), which the statement names: a proof of
one is none of the other. That the windows are of this quantity, the meter's signatures say.

One proof may cover several days of a home; it costs less than one for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.commitment import RING_DAYS, RING_SLOTS, window_days, window_slots
from zkp.algebra.curve import Point
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import protocol
from zkp.argument.protocol import Leftover
from zkp.argument.relation import CommittedInput, Relation, Witness
from zkp.errors import InvalidStatement, WitnessError
from zkp.lstm import weights
from zkp.lstm.constraints import constraints
from zkp.lstm.gates import gates, lookup_groups, table
from zkp.lstm.grid import PERSONAL, Grid, columns
from zkp.lstm.integer_model import FEATURE_LIMIT, ONE, IntegerWeights, Ints, Shape, Trace
from zkp.lstm.products import Inputs, product, sides
from zkp.lstm.weights import HeadOpening, Rows, WeightsCommitment
from zkp.lstm.witness import column_values
from zkp.statements import formats
from zkp.statements.context import Context

HEADER = b"WPI\x04"
"""First bytes of every inference proof: kind and format version."""
LOAD = "load"
"""The quantity that a statement is of where it names none."""
MOST_QUANTITY_BYTES = 16


@dataclass(frozen=True)
class Statement:
    """What a proof of inference says. `days[b]` is forecast from `windows[b]`, the week that ends as many days before
    it as the model's horizon says; context.day is the first of them."""

    context: Context
    weights: WeightsCommitment
    days: tuple[int, ...]
    windows: tuple[bytes, ...]
    steps: Ints  # [B, T, public] fixed point
    exogenous: Ints  # [B, E] fixed point
    forecasts: tuple[bytes, ...]
    personal: Rows | None = None
    quantity: str = LOAD

    def __post_init__(self) -> None:
        if not self.quantity.isascii() or not 0 < len(self.quantity) <= MOST_QUANTITY_BYTES:
            raise InvalidStatement(f"a quantity has a name of 1 to {MOST_QUANTITY_BYTES} ASCII characters")
        shape, count = self.shape, len(self.days)
        if count == 0 or len(self.windows) != count or len(self.forecasts) != count:
            raise InvalidStatement("a statement has one window and one forecast commitment for each of its days")
        if len(self.weights.layers) != shape.layers:
            raise InvalidStatement(f"the weights have {len(self.weights.layers)} layers, the shape {shape.layers}")
        if self.days[0] != self.context.day or len(set(self.days)) != count:
            raise InvalidStatement("the statement's days must differ, and begin with the day of its context")
        want = {"steps": (count, shape.steps, shape.public), "exogenous": (count, shape.exogenous)}
        for name, size in want.items():
            values = getattr(self, name)
            if values.shape != size or values.dtype != np.int64:
                raise InvalidStatement(f"{name} must be int64 {size}, not {values.dtype} {values.shape}")
            limit = FEATURE_LIMIT * ONE
            if (
                values.max(initial=0) > limit or values.min(initial=0) < -limit
            ):  # abs of the smallest int64 is negative
                raise InvalidStatement(f"{name} holds a public feature outside [-{FEATURE_LIMIT}, {FEATURE_LIMIT}]")

    @property
    def shape(self) -> Shape:
        return self.weights.shape

    def encode(self) -> bytes:
        """Every public value, in one canonical order; what the transcript absorbs."""
        features = self.steps.astype(">i8").tobytes() + self.exogenous.astype(">i8").tobytes()
        personal = b"" if self.personal is None else b"".join(self.personal)
        days = b"".join(d.to_bytes(4, "big") for d in self.days)
        parts = [self.context.encode(), self.weights.digest(), days, b"".join(self.windows), keccak(features)]
        parts += [b"".join(self.forecasts), personal]
        if self.quantity != LOAD:  # each part has its length before it: a statement with one part more is another
            parts.append(self.quantity.encode())
        return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


@dataclass(frozen=True, repr=False)
class Secrets:
    """What opens the statement's commitments: blindings by day, and the personal head."""

    windows: tuple[int, ...]
    forecasts: tuple[int, ...]
    personal: HeadOpening | None = None


@lru_cache(maxsize=8)
def _weight_points(commitment: WeightsCommitment, backend: str) -> tuple[tuple[Point | None, ...], ...]:
    """Decoded rows of the community's weights: the same for every proof of a round."""
    setup, grid = load_setup(backend), Grid(commitment.shape, 1)
    blocks = [(rows, grid.layer_cells(k)) for k, rows in enumerate(commitment.layers)]
    blocks.append((commitment.head, grid.head_cells))
    return tuple(weights.decode_rows(setup, rows, cells) for rows, cells in blocks)


def grid_of(statement: Statement) -> Grid:
    return Grid(statement.shape, len(statement.days), statement.personal is not None)


def input_points(statement: Statement, setup: Setup) -> list[tuple[Point | None, ...]]:
    """Rows of everything that the statement brings along, in the order of `input_cells`.

    Raises InvalidStatement, MalformedProof.
    """
    out = list(_weight_points(statement.weights, setup.curve.name))
    if statement.personal is not None:
        out.append(weights.decode_rows(setup, statement.personal, grid_of(statement).head_cells))
    for window, forecast in zip(statement.windows, statement.forecasts, strict=True):
        out += [(setup.curve.decode(window),), (setup.curve.decode(forecast),)]
    return out


def input_cells(grid: Grid) -> list[tuple[str, int]]:
    """Name and cells of every committed input."""
    out = [(f"weights {k}", grid.layer_cells(k)) for k in range(grid.shape.layers)] + [("head", grid.head_cells)]
    if grid.personal:
        out.append((PERSONAL, grid.head_cells))
    for b in range(grid.windows):
        out += [(f"window {b}", RING_SLOTS), (f"forecast {b}", ROW)]
    return out


def rotations(statement: Statement) -> list[list[int]]:
    """For each forecast day the place of its window's first day in the ring, one-hot."""
    firsts = [window_days(day, statement.shape.horizon)[0] % RING_DAYS for day in statement.days]
    return [[int(first == k) for k in range(RING_DAYS)] for first in firsts]


def relation(statement: Statement, setup: Setup) -> Relation:
    features = Inputs(Vector.from_array(statement.steps), Vector.from_array(statement.exogenous))
    points = input_points(statement, setup)
    return relation_of(grid_of(statement), rotations(statement), statement.encode(), points, features)


def relation_of(
    grid: Grid,
    rotation: Sequence[Sequence[int]],
    encoded: bytes,
    points: Sequence[tuple[Point | None, ...]],
    features: Inputs,
) -> Relation:
    return Relation(
        protocol="inference",
        header=HEADER,
        statement=encoded,
        grid_bits=grid.bits,
        columns=columns(grid),
        inputs=tuple(CommittedInput(*cells, rows) for cells, rows in zip(input_cells(grid), points, strict=True)),
        gates=gates(grid),
        constraints=lambda draw: constraints(grid, rotation, draw),
        table=table(),
        groups=lookup_groups(grid),
        product=lambda draw: product(grid, features, draw),
        product_bits=grid.product_bits,
    )


def prove(
    statement: Statement,
    trace: Trace,
    model: IntegerWeights,
    secrets: Secrets,
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove that the forecasts of `trace` are the model's on the committed windows.

    `trace` and `model` come from `forecasting.integer`; `model` is the community's, without the personal head.
    Raises WitnessError where the trace does not satisfy the statement (without saying a value).
    """
    setup, grid, own = load_setup(backend), grid_of(statement), secrets.personal
    if trace.history.shape[0] != grid.windows or (own is not None) != grid.personal:
        raise WitnessError("the trace and the statement speak of different numbers of days, or of heads")
    cells = None if own is None else weights.personal_cells(grid, own.values)
    witness = Witness(
        columns=column_values(grid, trace, cells),
        inputs=_input_values(statement, trace, model, secrets, grid),
        product=lambda draw: sides(grid, trace, model, None if own is None else own.values, draw),
    )
    return HEADER + protocol.prove(relation(statement, setup), witness, setup, random)


def _input_values(
    statement: Statement, trace: Trace, model: IntegerWeights, secrets: Secrets, grid: Grid
) -> dict[str, Sequence[tuple[Vector, int] | None]]:
    """Rows of every committed input with their blindings."""

    def rows(cells: Ints, blindings: Sequence[int]) -> list[tuple[Vector, int] | None]:
        return list(zip(weights.matrix_rows(Vector.from_array(cells)), blindings, strict=True))

    def public(cells: Ints) -> list[tuple[Vector, int] | None]:
        return rows(cells, [0] * weights.row_count(len(cells)))

    out: dict[str, Sequence[tuple[Vector, int] | None]] = {}
    for k, layer in enumerate(model.layers):
        out[f"weights {k}"] = public(weights.layer_cells(grid, k, layer))
    out["head"] = public(weights.head_cells(grid, model.head))
    if secrets.personal is not None:
        own = secrets.personal
        out[PERSONAL] = rows(weights.personal_cells(grid, own.values), own.blindings)
    for b, day in enumerate(statement.days):
        ring = np.zeros(RING_SLOTS, dtype=np.int64)
        ring[window_slots(day, grid.shape.horizon)] = trace.history[b]
        out[f"window {b}"] = rows(ring, [secrets.windows[b]])
        out[f"forecast {b}"] = rows(trace.forecast[b], [secrets.forecasts[b]])
    return out


def check(statement: Statement, proof: bytes, setup: Setup) -> Leftover:
    """Everything but the group: what is left is one pairing equation, and a weight for batching it."""
    return protocol.verify(relation(statement, setup), body(proof), setup)


def body(proof: bytes) -> bytes:
    return formats.body(proof, HEADER, "inference")


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    protocol.accept(check(statement, proof, setup), setup)

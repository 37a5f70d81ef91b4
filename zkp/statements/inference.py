"""Statement 1, inference: committed forecasts are the output of the committed model on committed readings.

Public: who and when, the model's shape and weight commitments, for each forecast day the commitment to the meter's
week before it (the sum of seven signed days), the public features, and the commitment to the 24 forecast values.
Private: readings, forecasts, every intermediate value, and the personal head where there is one.

One proof may cover several days of a home; it costs less than one for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from eth_hash.auto import keccak

from zkp.algebra.commitment import RING_SLOTS, window_slots
from zkp.algebra.curve import Point
from zkp.algebra.group import GroupEquation
from zkp.algebra.srs import ROW, Setup, load_setup
from zkp.algebra.vector import RandomScalars, Vector, fresh_scalars
from zkp.argument import relation as argument
from zkp.argument.relation import Relation, Supplied
from zkp.errors import InvalidProof, InvalidStatement, MalformedProof, WitnessError
from zkp.lstm import grid as lstm
from zkp.lstm import weights
from zkp.lstm.grid import Grid, Inputs
from zkp.lstm.integer_model import FEATURE_LIMIT, ONE, Ints, Shape, Trace, Weights
from zkp.lstm.weights import PersonalHead, Rows, WeightsCommitment
from zkp.statements.context import Context

HEADER = b"WPI\x03"
"""First bytes of every inference proof: kind and format version."""


@dataclass(frozen=True)
class Statement:
    """What a proof of inference says. `days[b]` is forecast from `windows[b]`; context.day is the first of them."""

    context: Context
    weights: WeightsCommitment
    days: tuple[int, ...]
    windows: tuple[bytes, ...]
    steps: Ints  # [B, T, public] fixed point
    exogenous: Ints  # [B, E] fixed point
    forecasts: tuple[bytes, ...]
    personal: Rows | None = None

    def __post_init__(self) -> None:
        shape, count = self.shape, len(self.days)
        if count == 0 or len(self.windows) != count or len(self.forecasts) != count:
            raise InvalidStatement("a statement has one window and one forecast commitment for each of its days")
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
        return b"".join(len(p).to_bytes(4, "big") + p for p in parts)


@dataclass(frozen=True, repr=False)
class Secrets:
    """What opens the statement's commitments: blindings by day, and the personal head."""

    windows: tuple[int, ...]
    forecasts: tuple[int, ...]
    personal: PersonalHead | None = None


@lru_cache(maxsize=8)
def _weight_points(commitment: WeightsCommitment, backend: str) -> tuple[tuple[Point | None, ...], ...]:
    """Decoded rows of the community's weights: the same for every proof of a round."""
    setup, grid = load_setup(backend), Grid(commitment.shape, 1)
    blocks = [(rows, grid.layer_block(k)) for k, rows in enumerate(commitment.layers)]
    blocks.append((commitment.head, grid.head_block))
    return tuple(weights.decode_rows(setup, rows, size // ROW) for rows, size in blocks)


def committed_inputs(statement: Statement, setup: Setup, grid: Grid) -> tuple[Supplied, ...]:
    *layers, head = _weight_points(statement.weights, setup.curve.name)
    out = [Supplied(f"weights {k}", grid.layer_block(k), grid.layer_block(k), rows) for k, rows in enumerate(layers)]
    out.append(Supplied("head", grid.head_block, grid.head_block, head))
    if statement.personal is not None:
        rows = weights.decode_rows(setup, statement.personal, grid.head_block // ROW)
        out.append(Supplied("personal head", grid.head_block, grid.head_block, rows))
    for b, (window, forecast) in enumerate(zip(statement.windows, statement.forecasts, strict=True)):
        out.append(Supplied(f"window {b}", ROW, RING_SLOTS, (setup.curve.decode(window),)))
        out.append(Supplied(f"forecast {b}", ROW, ROW, (setup.curve.decode(forecast),)))
    return tuple(out)


def relation(statement: Statement, setup: Setup) -> Relation:
    grid = Grid(statement.shape, len(statement.days))
    inputs = Inputs(Vector.from_array(statement.steps), Vector.from_array(statement.exogenous))
    supplied = committed_inputs(statement, setup, grid)
    return relation_of(grid, statement.days, statement.encode(), supplied, inputs)


def relation_of(
    grid: Grid, days: tuple[int, ...], encoded: bytes, supplied: tuple[Supplied, ...], inputs: Inputs
) -> Relation:
    heads = [s.name for s in supplied if s.name in ("head", "personal head")]
    return Relation(
        protocol="inference",
        statement=encoded,
        grid_bits=grid.bits,
        columns=lstm.columns(grid),
        supplied=supplied,
        gates=lstm.gates(grid),
        table=lstm.table(),
        groups=lstm.lookup_groups(grid),
        products=lambda draw: lstm.products(grid, inputs, heads, draw),
        products_count=grid.shape.layers + 1,
        product_bits=grid.product_bits,
        links=lambda draw: lstm.links(grid, days, draw),
    )


def prove(
    statement: Statement,
    trace: Trace,
    model: Weights,
    secrets: Secrets,
    *,
    backend: str = "",
    random: RandomScalars = fresh_scalars,
) -> bytes:
    """Prove that the forecasts of `trace` are the model's on the committed windows.

    `trace` and `model` come from `forecasting.integer`; `model` is the community's, without the personal head.
    Raises WitnessError where the trace does not satisfy the statement (without saying a value).
    """
    setup = load_setup(backend)
    grid = Grid(statement.shape, len(statement.days))
    head = model.head if secrets.personal is None else model.head + secrets.personal.values
    if trace.history.shape[0] != grid.windows:
        raise WitnessError("the trace and the statement speak of different numbers of days")
    witness = argument.Witness(
        columns=lstm.column_values(grid, trace),
        supplied=_supplied_values(statement, trace, model, secrets, grid),
        products=lambda draw: lstm.product_vectors(grid, trace, model, head, draw),
    )
    return HEADER + argument.prove(relation(statement, setup), witness, setup, random)


def _supplied_values(
    statement: Statement, trace: Trace, model: Weights, secrets: Secrets, grid: Grid
) -> dict[str, Sequence[tuple[Vector, int] | None]]:
    out: dict[str, Sequence[tuple[Vector, int] | None]] = {}
    for k, layer in enumerate(model.layers):
        out[f"weights {k}"] = [(row, 0) for row in weights.matrix_rows(weights.layer_cells(grid, k, layer))]
    out["head"] = [(row, 0) for row in weights.matrix_rows(weights.head_cells(grid, model.head))]
    if secrets.personal is not None:
        rows = weights.matrix_rows(weights.head_cells(grid, secrets.personal.values))
        out["personal head"] = list(zip(rows, secrets.personal.blindings, strict=True))
    for b, day in enumerate(statement.days):
        ring = np.zeros(RING_SLOTS, dtype=np.int64)
        ring[window_slots(day)] = trace.history[b]
        out[f"window {b}"] = [(Vector.from_array(ring), secrets.windows[b])]
        out[f"forecast {b}"] = [(Vector.from_array(trace.forecast[b]), secrets.forecasts[b])]
    return out


def check(statement: Statement, proof: bytes, setup: Setup) -> tuple[GroupEquation, int]:
    """Everything but the group: what is left is one pairing equation, and a weight for batching it."""
    return argument.verify(relation(statement, setup), body(proof), setup)


def body(proof: bytes) -> bytes:
    if proof[: len(HEADER)] != HEADER:
        raise MalformedProof("these bytes do not begin like an inference proof of a known version")
    return proof[len(HEADER) :]


def verify(statement: Statement, proof: bytes, *, backend: str = "") -> None:
    """Accept by returning. Raises MalformedProof, InvalidProof or InvalidStatement."""
    setup = load_setup(backend)
    if not argument.settle([check(statement, proof, setup)], setup):
        raise InvalidProof("the commitments do not open to the values of the proof")
